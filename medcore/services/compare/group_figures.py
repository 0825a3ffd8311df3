"""The figures of models within groups of patients, in closed form where every row is its own patient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from medcore.errors import InputError
from medcore.evaluation.calibration import calibration_intercept
from medcore.evaluation.discrimination import auroc_interval
from medcore.evaluation.intervals import wilson_interval
from medcore.evaluation.resampling import bootstrap_interval
from medcore.evaluation.subgroups import MIN_EVENTS, SubgroupRow
from medcore.evaluation.validation import check_threshold
from medcore.results import MetricValue

__all__ = ["find_groups", "measure_group", "measure_groups"]

_Z95 = 1.959963984540054
_FEWEST = 2
_N_RESAMPLES = 300
_SEED = 20
_RESAMPLED = ("brier", "sensitivity", "specificity", "ppv", "npv")


def measure_groups(
    y: np.ndarray,
    p: Mapping[str, np.ndarray],
    attributes: Mapping[str, np.ndarray],
    *,
    cut_off: float,
    patients: np.ndarray | None = None,
) -> dict[str, tuple[SubgroupRow, ...]]:
    """Measure every model within every group of every attribute.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Outcome, 0 or 1.
    p : mapping of model id to ndarray, shape (n,)
        Probabilities.
    attributes : mapping of str to ndarray of text, shape (n,)
        What to divide by, and the group of each row.
    cut_off : float
        In [0, 1]; a patient is called at ``p >= cut_off``.
    patients : ndarray, shape (n,), optional
        Patient of each row; intervals then come from a bootstrap of patients.

    Returns
    -------
    dict of model id to tuple of SubgroupRow
        Attributes in the order given, groups in alphabetical order.

    Raises
    ------
    InputError
        A cut-off outside [0, 1], or an attribute of the wrong length.

    Notes
    -----
    AUROC: DeLong; Brier score: normal limits of its mean; calibration intercept: Wald; shares: Wilson.
    """
    check_threshold(cut_off)
    groups = list(find_groups(attributes, y.size))
    return {
        name: tuple(
            _make_row(what, group, y[rows], scores[rows], None if patients is None else patients[rows], cut_off)
            for what, group, rows in groups
        )
        for name, scores in p.items()
    }


def find_groups(attributes: Mapping[str, np.ndarray], n: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield attribute, group and its rows (bool, shape (n,)).

    Raises
    ------
    InputError
        An attribute has not one label per row.
    """
    for name, values in attributes.items():
        labels = np.asarray(values).astype(str)
        if labels.shape != (n,):
            raise InputError(f"{name} has {labels.shape} labels for {n} rows", field=name, expected=f"({n},)")
        for group in np.unique(labels):
            yield name, str(group), labels == group


def measure_group(
    y: np.ndarray, p: np.ndarray, *, cut_off: float, patients: np.ndarray | None = None
) -> dict[str, MetricValue]:
    """Return the figures of one group; empty where not both outcomes occur, limits NaN where they cannot be given."""
    n_events = int(y.sum())
    if not 0 < n_events < y.size:
        return {}
    metrics = {"auroc": _measure_auroc(y, p, patients), "calibration_intercept": calibration_intercept(y, p)}
    if patients is None or np.unique(patients).size == y.size:
        return {**metrics, **_measure_shares(y == 1, p, cut_off)}
    for name in _RESAMPLED:
        metrics[name] = bootstrap_interval(
            name,
            y,
            p,
            groups=patients,
            rng=np.random.default_rng(_SEED),
            n_resamples=_N_RESAMPLES,
            threshold=None if name == "brier" else cut_off,
        )
    return metrics


def _make_row(
    attribute: str, group: str, y: np.ndarray, p: np.ndarray, patients: np.ndarray | None, cut_off: float
) -> SubgroupRow:
    n_events = int(y.sum())
    return SubgroupRow(
        attribute=attribute,
        group=group,
        n=y.size,
        n_events=n_events,
        n_patients=y.size if patients is None else int(np.unique(patients).size),
        too_few=min(n_events, y.size - n_events) < MIN_EVENTS,
        metrics=measure_group(y, p, cut_off=cut_off, patients=patients),
    )


def _measure_auroc(y: np.ndarray, p: np.ndarray, patients: np.ndarray | None) -> MetricValue:
    if min(y.sum(), y.size - y.sum()) >= _FEWEST:
        return auroc_interval(y, p, groups=patients)
    above = p[y == 1][:, np.newaxis] - p[y == 0][np.newaxis, :]
    return MetricValue(value=float(np.mean((above > 0) + 0.5 * (above == 0))), lo=np.nan, hi=np.nan)


def _measure_shares(ill: np.ndarray, p: np.ndarray, cut_off: float) -> dict[str, MetricValue]:
    called = p >= cut_off
    loss = (p - ill) ** 2
    mean, half = float(loss.mean()), _Z95 * float(loss.std(ddof=1)) / np.sqrt(loss.size)
    return {
        "brier": MetricValue(value=mean, lo=max(0.0, mean - half), hi=min(1.0, mean + half)),
        "sensitivity": _share(called & ill, ill),
        "specificity": _share(~called & ~ill, ~ill),
        "ppv": _share(called & ill, called),
        "npv": _share(~called & ~ill, ~called),
    }


def _share(hits: np.ndarray, of: np.ndarray) -> MetricValue:
    count, n = int(hits.sum()), int(of.sum())
    if not n:
        return MetricValue(value=np.nan, lo=np.nan, hi=np.nan)
    limits = wilson_interval(count, n)
    return MetricValue(value=count / n, lo=limits.lo, hi=limits.hi)

"""Figures of an uploaded table beyond the scoreboard: what rows may be divided by, and what blanks cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from medcore.evaluation.recalibration import Method, recalibrate
from medcore.evaluation.subgroups import MIN_EVENTS, SubgroupRow
from medcore.records import FieldKind, Schema
from medcore.services.compare.group_figures import measure_group
from medcore.services.compare.measuring import Measured, measure
from medcore.services.compare.upload_parts import Coded

__all__ = ["BLANK_FIELDS", "code_words", "divide_rows", "measure_blanks", "measure_recalibrated"]

BLANK_FIELDS = "blank fields"
"""Attribute of the rows that say what the number of blanks costs."""

_FEWEST_IN_CELL = 10
_FEWEST_WORDS, _MOST_WORDS = 2, 12
_MOST_MEASURED = 10_000
_AGE = "age_years"
_AGE_BANDS = (45.0, 65.0, 80.0)
_AGE_WORDS = ("under 45", "45-64", "65-79", "80+")
_UNKNOWN, _OTHERS = "unknown", "others (small groups)"
_N_FOLDS = 5
_SEED = 20
_SHOWN = ("auroc", "brier", "calibration_intercept")


def divide_rows(
    X: np.ndarray,
    schema: Schema,
    texts: Mapping[str, np.ndarray],
    words: Mapping[str, tuple[str, ...]],
    grouped: Collection[str],
) -> dict[str, Coded]:
    """Find what patients may be divided by.

    Parameters
    ----------
    X : ndarray, shape (n, n_inputs)
        Model inputs, NaN = blank.
    schema : Schema
        Their fields.
    texts, words : mappings of column name to ndarray of int, shape (n,), and to tuple of str
        Further columns of the file: a code per row, and the texts the codes stand for.
    grouped : collection of str
        Choice fields by which the study's own patients are divided.

    Returns
    -------
    dict of str to Coded
        Age bands, those choices, and every further column with 2 to 12 values of at least 10 rows each;
        smaller cells are put together, blanks are ``"unknown"``.
    """
    found: dict[str, Coded] = {}
    for j, item in enumerate(schema.inputs):
        column = X[:, j]
        if item.name == _AGE:
            band = np.where(np.isnan(column), len(_AGE_BANDS) + 1, np.searchsorted(_AGE_BANDS, column, side="right"))
            found["age_band"] = _pool(band, (*_AGE_WORDS, _UNKNOWN))
        elif item.kind is FieldKind.CHOICE and item.name in grouped:
            codes = [choice.code for choice in item.choices]
            place = np.select([column == code for code in codes], range(len(codes)), default=len(codes))
            found[item.name] = _pool(place, (*(choice.word for choice in item.choices), _UNKNOWN))
    for name, column in texts.items():
        used = np.unique(column)
        n_words = sum(words[name][code] != "" for code in used.tolist())
        if n_words <= _MOST_WORDS:
            found[name] = _pool(column, tuple(word or _UNKNOWN for word in words[name]))
    return {name: item for name, item in found.items() if _is_useful(item)}


def measure_blanks(
    X: np.ndarray, y: np.ndarray, p: Mapping[str, np.ndarray], schema: Schema
) -> dict[str, tuple[SubgroupRow, ...]]:
    """Say what blanks cost: figures by the number of blank fields, and where each field is blank or known.

    Cells of more than 10,000 rows are measured on 10,000 of them, drawn with a fixed seed; their limits say so.
    """
    blank = np.isnan(X)
    cells = [(BLANK_FIELDS, name, rows) for name, rows in _count_bands(blank.sum(axis=1))]
    for j, item in enumerate(schema.inputs):
        if blank[:, j].any() and not blank[:, j].all():
            cells += [(item.label, "blank", blank[:, j]), (item.label, "known", ~blank[:, j])]
    picked = [(what, group, rows, _pick(rows)) for what, group, rows in cells]
    return {
        name: tuple(_measure_cell(what, group, rows, chosen, y, scores) for what, group, rows, chosen in picked)
        for name, scores in p.items()
    }


def measure_recalibrated(
    y: np.ndarray,
    p: np.ndarray,
    *,
    method: Method,
    patients: np.ndarray | None,
    prevalence: float | None,
) -> Measured:
    """Measure a recalibrated copy on rows that did not teach it: each fifth by a line from the other four.

    Raises
    ------
    InputError
        As :func:`medcore.evaluation.recalibration.recalibrate`, for the whole or for one fifth.
    """
    units = np.arange(y.size) if patients is None else np.unique(patients, return_inverse=True)[1]
    ill = np.bincount(units, weights=y) > 0
    rng = np.random.default_rng(_SEED)
    fold = np.zeros(ill.size, dtype=np.int64)
    for members in (np.flatnonzero(ill), np.flatnonzero(~ill)):
        fold[rng.permutation(members)] = np.arange(members.size) % _N_FOLDS
    part, honest = fold[units], np.empty(y.size)
    for k in range(_N_FOLDS):
        rest = part != k
        line = recalibrate(
            y[rest],
            p[rest],
            method=method,
            groups=None if patients is None else patients[rest],
        )
        honest[~rest] = line.apply(p[~rest])
    return measure(y, {"": honest}, patients=patients, prevalence=prevalence)


def code_words(texts: Sequence[str]) -> Coded | None:
    """Divide rows by a text each, "" = unknown, cells under 10 rows put together; None where that divides nothing.

    Examples
    --------
    >>> code_words(["AP"] * 12 + ["PA"] * 11 + [""] * 2).words
    ('AP', 'PA', 'others (small groups)')
    >>> code_words(["AP"] * 12) is None
    True
    """
    words, place = np.unique(np.asarray(texts, dtype=str), return_inverse=True)
    found = _pool(place, tuple(str(word) or _UNKNOWN for word in words))
    return found if _is_useful(found) else None


def _pool(place: np.ndarray, words: tuple[str, ...]) -> Coded:
    """Put small cells together under one word; codes without a row disappear."""
    n = np.bincount(place, minlength=len(words))
    kept = [k for k in range(len(words)) if n[k] >= _FEWEST_IN_CELL]
    n_rest = int(n.sum() - n[kept].sum())
    names = [words[k] for k in kept] + ([_OTHERS] if n_rest else [])
    new = np.full(len(words), len(kept))
    new[kept] = range(len(kept))
    return Coded(words=tuple(names), codes=new[place])


def _is_useful(item: Coded) -> bool:
    real = [word for word in item.words if word not in (_UNKNOWN, _OTHERS)]
    return len(real) >= _FEWEST_WORDS


def _count_bands(n_blank: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Divide rows by how many fields are blank: at most five bands of about equal size."""
    edges = np.unique(np.quantile(n_blank, [0.2, 0.4, 0.6, 0.8], method="inverted_cdf").astype(int))
    band = np.searchsorted(edges, n_blank, side="left")
    rows = [band == k for k in np.unique(band)]
    return [(_span(n_blank[part]), part) for part in rows]


def _span(counts: np.ndarray) -> str:
    lo, hi = int(counts.min()), int(counts.max())
    return str(lo) if lo == hi else f"{lo}-{hi}"


def _pick(rows: np.ndarray) -> np.ndarray:
    chosen = np.flatnonzero(rows)
    if chosen.size <= _MOST_MEASURED:
        return chosen
    return np.sort(np.random.default_rng(_SEED).choice(chosen, _MOST_MEASURED, replace=False))


def _measure_cell(
    attribute: str, group: str, rows: np.ndarray, chosen: np.ndarray, y: np.ndarray, p: np.ndarray
) -> SubgroupRow:
    n, n_events = int(rows.sum()), int(y[rows].sum())
    metrics = measure_group(y[chosen], p[chosen], cut_off=0.5)
    return SubgroupRow(
        attribute=attribute,
        group=group,
        n=n,
        n_events=n_events,
        n_patients=n,
        too_few=min(n_events, n - n_events) < MIN_EVENTS,
        metrics={name: metrics[name] for name in _SHOWN if name in metrics},
    )

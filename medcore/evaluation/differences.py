"""Several models against one reference on the same patients, without resampling.

Each difference is a sum of contributions of patients, so its limits have a closed form. ``gain`` above 0 always means
that the model is better than the reference. P values are adjusted for the number of models compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.board import mean_influence
from medcore.evaluation.clusters import Z95, patient_sums, variance_of_sum
from medcore.evaluation.comparison import McNemarTest, Verdict, mcnemar, verdict
from medcore.evaluation.discrimination import structural_components
from medcore.evaluation.intervals import normal_two_sided_p
from medcore.evaluation.multiplicity import adjust_holm
from medcore.evaluation.prevalence import shift_odds
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_fraction,
    check_groups,
    check_two_classes,
)
from medcore.results import MetricValue

__all__ = ["Difference", "MetricGain", "paired_differences"]

_NO_SPREAD = 1e-30


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGain:
    """One metric of a model beside the reference's.

    Attributes
    ----------
    metric : str
        ``"auroc"``, ``"brier"`` or ``"net_benefit"``.
    new, reference : float
        Its value for the model and for the reference.
    gain : MetricValue
        Improvement with its 95 % interval (not adjusted); above 0 = the model is better.
    p_value, p_adjusted : float
        Two-sided p of no difference, and Holm's over all models compared in this metric.
    margin : float
        Largest loss that would be accepted, in the metric's unit.
    verdict : Verdict
        Of the unadjusted interval against the margin.
    """

    metric: str
    new: float
    reference: float
    gain: MetricValue
    p_value: float
    p_adjusted: float
    margin: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One model against the reference.

    Attributes
    ----------
    model, reference : str
        Their names.
    auroc, brier, net_benefit : MetricGain
        The last at the cut-off, in net cases found per patient.
    errors : McNemarTest
        Patients that only the model (a) or only the reference (b) called correctly at the cut-off. With several rows
        per patient both p values are Durkalski's.
    errors_p_adjusted : float
        Holm's p over all models compared.
    """

    model: str
    reference: str
    auroc: MetricGain
    brier: MetricGain
    net_benefit: MetricGain
    errors: McNemarTest
    errors_p_adjusted: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Model:
    """A model's restated risks, its figures, and each row's influence on them."""

    p: FloatArray
    values: Mapping[str, float]
    influence: Mapping[str, FloatArray]


_METRICS = ("auroc", "brier", "net_benefit")
_SIGN = {"auroc": 1.0, "brier": -1.0, "net_benefit": 1.0}


def paired_differences(
    y: ArrayLike,
    models: Mapping[str, ArrayLike],
    *,
    reference: str,
    cut_off: float,
    prevalence: float | None = None,
    groups: ArrayLike | None = None,
    margin: float = 0.02,
) -> tuple[Difference, ...]:
    """Compare every model with the reference on the same rows.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; at least two of each.
    models : mapping of str to array-like, shape (n,)
        Probabilities of each model for the same rows in the same order, in [0, 1].
    reference : str
        Which of them the others are compared with.
    cut_off : float
        Threshold probability for net benefit and errors, in (0, 1), on the restated risks.
    prevalence : float, optional
        Outcome rate to stand for, in (0, 1), taken as known; by default the rate in ``y``.
    groups : array-like, shape (n,), optional
        Patient of each row; all limits and p values are then patient-wise.
    margin : float, default 0.02
        Largest loss accepted, in AUROC and in Brier score. For net benefit it is that share of the prevalence, that is
        of the best net benefit possible.

    Returns
    -------
    tuple of Difference
        One per other model, in the order given; empty if there is none.

    Raises
    ------
    InputError
        Unusable arrays, an unknown reference, fewer than two rows of either outcome, or a cut-off, prevalence or margin
        outside its range.

    Notes
    -----
    AUROC: DeLong's covariance. Brier and net benefit: normal limits of the paired contributions. Identical predictions
    have a difference of 0 without error and p = 1.

    References
    ----------
    DeLong ER et al. Biometrics 1988;44:837-845. doi:10.2307/2531595; several rows per patient: Obuchowski NA.
    Biometrics 1997;53:567-578. doi:10.2307/2533958; Durkalski VL et al. Stat Med 2003;22:2417-2428.
    doi:10.1002/sim.1438; margin as a share of the prevalence: Kerr KF et al. J Clin Oncol 2016;34:2534-2540.
    doi:10.1200/JCO.2015.65.5654

    Examples
    --------
    >>> scores = {"old": [0.2, 0.6, 0.4, 0.9], "new": [0.1, 0.3, 0.6, 0.9]}
    >>> found = paired_differences([0, 0, 1, 1], scores, reference="old", cut_off=0.5)
    >>> found[0].auroc.gain.value
    0.25
    """
    if reference not in models:
        raise InputError(
            f"{reference!r} is not among the models {', '.join(models)}", field="reference", value=reference
        )
    labels, _ = check_two_classes(y, models[reference])
    if min(int(labels.sum()), int((~labels).sum())) < 2:
        raise InputError("comparing models needs at least 2 cases and 2 non-cases", field="y")
    codes, cut = check_groups(groups, labels.size), check_fraction(cut_off, name="cut_off")
    local = None if prevalence is None else check_fraction(prevalence, name="prevalence")
    rate = float(labels.mean()) if local is None else local
    measured = {name: _measure(labels, p, cut, local) for name, p in models.items()}
    base = measured.pop(reference)
    margins = {"auroc": margin, "brier": margin, "net_benefit": margin * rate}
    gains = {metric: _gains(metric, measured, base, labels, codes, margin=margins[metric]) for metric in _METRICS}
    errors = [_errors(labels, other.p, base.p, cut, codes) for other in measured.values()]
    adjusted = _adjusted([test.p_value for test in errors])
    return tuple(
        Difference(
            model=name,
            reference=reference,
            auroc=gains["auroc"][i],
            brier=gains["brier"][i],
            net_benefit=gains["net_benefit"][i],
            errors=errors[i],
            errors_p_adjusted=float(adjusted[i]),
        )
        for i, name in enumerate(measured)
    )


def _measure(labels: BoolArray, p: ArrayLike, cut: float, local: float | None) -> _Model:
    _, scores = check_two_classes(labels, p)
    restated = scores if local is None else shift_odds(scores, float(labels.mean()), local)
    above, below = structural_components(labels, scores)
    auroc = np.empty(labels.size)
    area = float(above.mean())
    auroc[labels], auroc[~labels] = (above - area) / above.size, (below - area) / below.size
    called = restated >= cut
    profit = np.where(called, np.where(labels, 1.0, -cut / (1.0 - cut)), 0.0)
    brier, of_brier = mean_influence(labels, np.square(restated - labels), local)
    gained, of_gain = mean_influence(labels, profit, local)
    return _Model(
        p=restated,
        values={"auroc": area, "brier": brier, "net_benefit": gained},
        influence={"auroc": auroc, "brier": of_brier, "net_benefit": of_gain},
    )


def _gains(
    metric: str,
    measured: Mapping[str, _Model],
    base: _Model,
    labels: BoolArray,
    codes: IntArray | None,
    *,
    margin: float,
) -> list[MetricGain]:
    sign = _SIGN[metric]
    rows: list[tuple[float, float, float]] = []
    for other in measured.values():
        gain = sign * (other.values[metric] - base.values[metric]) + 0.0  # no minus zero
        influence = other.influence[metric] - base.influence[metric]
        error = math.sqrt(_variance(metric, influence, labels, codes))
        rows.append((gain, error, _p_value(gain, error)))
    adjusted = _adjusted([row[2] for row in rows])
    found = []
    for (gain, error, p_value), p_adjusted, other in zip(rows, adjusted, measured.values(), strict=True):
        limits = MetricValue(value=gain, lo=gain - Z95 * error, hi=gain + Z95 * error)
        found.append(
            MetricGain(
                metric=metric,
                new=other.values[metric],
                reference=base.values[metric],
                gain=limits,
                p_value=p_value,
                p_adjusted=float(p_adjusted),
                margin=margin,
                verdict=verdict(limits, margin=margin),
            )
        )
    return found


def _adjusted(p_values: list[float]) -> FloatArray:
    return adjust_holm(p_values) if p_values else np.zeros(0)


def _variance(metric: str, influence: FloatArray, labels: BoolArray, codes: IntArray | None) -> float:
    """DeLong's own small-sample factors for independent rows; patient sums otherwise."""
    if metric != "auroc" or codes is not None:
        return variance_of_sum(influence, codes)
    parts = (influence[members] for members in (labels, ~labels))
    return sum(float(part @ part) * part.size / (part.size - 1) for part in parts)


def _p_value(gain: float, error: float) -> float:
    if error * error > _NO_SPREAD:
        return normal_two_sided_p(gain / error)
    return 1.0 if abs(gain) < _NO_SPREAD**0.5 else 0.0


def _errors(labels: BoolArray, p: FloatArray, p_base: FloatArray, cut: float, codes: IntArray | None) -> McNemarTest:
    test = mcnemar(labels, p, p_base, threshold=cut)
    if codes is None:
        return test
    right = ((p >= cut) == labels) * 1.0 - ((p_base >= cut) == labels)
    sums = patient_sums(right, codes)
    spread = math.sqrt(float(sums @ sums))
    p_value = normal_two_sided_p(float(sums.sum()) / spread) if spread > 0.0 else 1.0
    return McNemarTest(only_a=test.only_a, only_b=test.only_b, p_value=p_value, p_exact=p_value)

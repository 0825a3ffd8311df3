"""What a comparison of models on the same patients consists of: frozen curves, tables and verdicts.

Nothing here computes. Arrays are float64 and read-only; probabilities are fractions, ``net benefit`` is in net cases
found per patient (times 1,000 for a clinician). Limits are 95 % and NaN where they cannot be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from medcore.evaluation.calibration import CalibrationBin
from medcore.evaluation.validation import FloatArray, read_only
from medcore.results import MetricValue, ModelFacts

__all__ = ["Band", "Comparison", "CutOffTable", "Histogram", "ModelCurves", "PairedCalls"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """A curve with its pointwise 95 % band: four arrays of one length, ``x`` not falling."""

    x: FloatArray
    y: FloatArray
    lo: FloatArray
    hi: FloatArray

    def __post_init__(self) -> None:
        _freeze(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CutOffTable:
    """What each cut-off does; a patient is called at ``p >= cut_off``. Arrays of one length k.

    Attributes
    ----------
    cut_off : ndarray, shape (k,)
        Rising, within [0, 1].
    sensitivity, specificity : ndarrays, with ``_lo`` and ``_hi``
        Shares of patients with (without) the outcome that are (are not) called.
    net_benefit : ndarray, with ``_lo`` and ``_hi``
        At the prevalence of the comparison; NaN at cut-offs 0 and 1, where it is not defined.
    """

    cut_off: FloatArray
    sensitivity: FloatArray
    sensitivity_lo: FloatArray
    sensitivity_hi: FloatArray
    specificity: FloatArray
    specificity_lo: FloatArray
    specificity_hi: FloatArray
    net_benefit: FloatArray
    net_benefit_lo: FloatArray
    net_benefit_hi: FloatArray

    def __post_init__(self) -> None:
        _freeze(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram:
    """Patients per bin of the probability: ``edges`` (b + 1,), ``events`` and ``others`` (b,)."""

    edges: FloatArray
    events: FloatArray
    others: FloatArray

    def __post_init__(self) -> None:
        _freeze(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelCurves:
    """All curves of one model.

    Attributes
    ----------
    roc : Band
        x = 1 - specificity, y = sensitivity; at most 400 points.
    precision_recall : Band
        x = sensitivity (recall), y = PPV (precision), at the prevalence of the comparison; at most 400 points.
    calibration : Band
        x = predicted, y = observed (smooth), over the range in which patients lie.
    bins : tuple of CalibrationBin
        The same in tenths of the patients.
    table : CutOffTable
        For the cut-off slider and the decision curve.
    histogram : Histogram
        Of the probabilities, 40 bins.
    """

    roc: Band
    precision_recall: Band
    calibration: Band
    bins: tuple[CalibrationBin, ...]
    table: CutOffTable
    histogram: Histogram


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairedCalls:
    """How much more the model ``second`` calls than ``first`` on the same rows: 95 % limits at each cut-off.

    Attributes
    ----------
    first, second : str
        Model ids.
    found_lo, found_hi : ndarray, shape (k,)
        Of the difference in sensitivity, second less first, at the cut-offs of the models' tables.
    alarms_lo, alarms_hi : ndarray, shape (k,)
        Of the difference in the share of others called.
    """

    first: str
    second: str
    found_lo: FloatArray
    found_hi: FloatArray
    alarms_lo: FloatArray
    alarms_hi: FloatArray

    def __post_init__(self) -> None:
        for name in ("found_lo", "found_hi", "alarms_lo", "alarms_hi"):
            read_only(np.asarray(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Models side by side on the same patients.

    Attributes
    ----------
    condition : str
        Id of the clinical question.
    source : str
        Where the patients come from, in words for the reader.
    n, n_events, n_patients : int
        Rows, rows with the outcome, distinct patients.
    prevalence_study : float
        Share with the outcome among the rows.
    prevalence : float
        The share that probabilities, calibration, predictive values and net benefit are restated for.
    models : tuple of ModelFacts
        Sorted by Brier score, best first.
    board : mapping of model id to mapping of metric name to MetricValue
        auroc, auprc, brier, log_loss, ece, calibration_slope, calibration_intercept.
    curves : mapping of model id to ModelCurves
    standing : mapping of model id to str
        ``"best Brier"``, ``"not shown to be worse (margin .02)"``, ``"worse"`` or ``"cannot tell: too few cases"``.
    warnings : tuple of str
        What the reader must know first, such as fewer than 100 events.
    milliseconds : mapping of model id to float
        Time to score one case, where it was measured.
    paired : tuple of PairedCalls
        Limits of the differences between every two models at every cut-off.
    """

    condition: str
    source: str
    n: int
    n_events: int
    n_patients: int
    prevalence_study: float
    prevalence: float
    models: tuple[ModelFacts, ...]
    board: Mapping[str, Mapping[str, MetricValue]]
    curves: Mapping[str, ModelCurves]
    standing: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    paired: tuple[PairedCalls, ...] = ()


def _freeze(item: Band | CutOffTable | Histogram) -> None:
    for part in fields(item):
        read_only(np.asarray(getattr(item, part.name)))

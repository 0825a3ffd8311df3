"""How good a model is: discrimination, calibration, usefulness, each with its interval.

Pure NumPy; ``drift`` alone needs SciPy and is therefore imported by its own name. Functions take outcomes
coded 0/1 and probabilities in [0, 1] and return plain numbers or frozen results; :func:`evaluate` gives
the whole scoreboard, :func:`draw_curves` and :func:`board` what a page shows while its reader waits.
``docs/methods.md`` lists formulas, intervals and sources.
"""

from __future__ import annotations

from medcore.evaluation.board import auprc_interval, board
from medcore.evaluation.calibration import (
    BrierDecomposition,
    CalibrationBin,
    CalibrationFit,
    brier,
    brier_decomposition,
    brier_skill,
    calibration_by_decile,
    calibration_curve,
    calibration_fit,
    calibration_intercept,
    calibration_slope,
    equal_mass_bins,
    expected_calibration_error,
    log_loss,
)
from medcore.evaluation.comparison import (
    McNemarTest,
    NonInferiority,
    PairedComparison,
    Verdict,
    compare_auroc,
    compare_brier,
    compare_metric,
    compare_net_benefit,
    is_non_inferior,
    mcnemar,
    non_inferiority,
    verdict,
)
from medcore.evaluation.cost import CostCurve, cost_curve, probability_cost
from medcore.evaluation.curves import default_cut_offs, draw_curves
from medcore.evaluation.decision import (
    DecisionCurve,
    PerThousand,
    decision_curve,
    harm_ratio_threshold,
    net_benefit,
    net_benefit_band,
    per_thousand,
)
from medcore.evaluation.differences import Difference, MetricGain, paired_differences
from medcore.evaluation.discrimination import (
    DelongTest,
    PrCurve,
    RocCurve,
    auprc,
    auroc,
    auroc_interval,
    delong_covariance,
    delong_test,
    perfect_ranking_interval,
    pr_curve,
    roc_curve,
)
from medcore.evaluation.intervals import wilson_interval
from medcore.evaluation.multiplicity import adjust_benjamini_hochberg, adjust_holm
from medcore.evaluation.prevalence import restate
from medcore.evaluation.recalibration import MIN_OUTCOMES, Recalibration, recalibrate
from medcore.evaluation.resampling import (
    Metric,
    bootstrap_difference,
    bootstrap_draws,
    bootstrap_interval,
    bootstrap_statistic,
    ece_interval,
    percentile_limits,
)
from medcore.evaluation.scoreboard import METRIC_NAMES, evaluate
from medcore.evaluation.smooth import CalibrationDistance, SmoothCalibration, calibration_distance, smooth_calibration
from medcore.evaluation.spread import FoldSpread, fold_spread
from medcore.evaluation.subgroups import MIN_EVENTS, SubgroupRow, subgroup_table
from medcore.evaluation.thresholds import (
    Confusion,
    CutOff,
    OperatingPoint,
    choose_by_sensitivity,
    choose_by_specificity,
    choose_by_youden,
    confusion,
    operating_point,
)

__all__ = [
    "METRIC_NAMES",
    "MIN_EVENTS",
    "MIN_OUTCOMES",
    "BrierDecomposition",
    "CalibrationBin",
    "CalibrationDistance",
    "CalibrationFit",
    "Confusion",
    "CostCurve",
    "CutOff",
    "DecisionCurve",
    "DelongTest",
    "Difference",
    "FoldSpread",
    "McNemarTest",
    "Metric",
    "MetricGain",
    "NonInferiority",
    "OperatingPoint",
    "PairedComparison",
    "PerThousand",
    "PrCurve",
    "Recalibration",
    "RocCurve",
    "SmoothCalibration",
    "SubgroupRow",
    "Verdict",
    "adjust_benjamini_hochberg",
    "adjust_holm",
    "auprc",
    "auprc_interval",
    "auroc",
    "auroc_interval",
    "board",
    "bootstrap_difference",
    "bootstrap_draws",
    "bootstrap_interval",
    "bootstrap_statistic",
    "brier",
    "brier_decomposition",
    "brier_skill",
    "calibration_by_decile",
    "calibration_curve",
    "calibration_distance",
    "calibration_fit",
    "calibration_intercept",
    "calibration_slope",
    "choose_by_sensitivity",
    "choose_by_specificity",
    "choose_by_youden",
    "compare_auroc",
    "compare_brier",
    "compare_metric",
    "compare_net_benefit",
    "confusion",
    "cost_curve",
    "decision_curve",
    "default_cut_offs",
    "delong_covariance",
    "delong_test",
    "draw_curves",
    "ece_interval",
    "equal_mass_bins",
    "evaluate",
    "expected_calibration_error",
    "fold_spread",
    "harm_ratio_threshold",
    "is_non_inferior",
    "log_loss",
    "mcnemar",
    "net_benefit",
    "net_benefit_band",
    "non_inferiority",
    "operating_point",
    "paired_differences",
    "per_thousand",
    "percentile_limits",
    "perfect_ranking_interval",
    "pr_curve",
    "probability_cost",
    "recalibrate",
    "restate",
    "roc_curve",
    "smooth_calibration",
    "subgroup_table",
    "verdict",
    "wilson_interval",
]

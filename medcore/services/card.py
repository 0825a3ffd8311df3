"""The model card: what a reader must know before using a model, every figure computed at training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medcore.conditions.condition import Condition
from medcore.datasets.table import TrainingTable
from medcore.evaluation.calibration import calibration_by_decile
from medcore.evaluation.scoreboard import METRIC_NAMES, evaluate
from medcore.evaluation.subgroups import subgroup_table
from medcore.models.coverage import Coverage
from medcore.models.learners import KerasRecipe, Recipe
from medcore.registry.manifest import Manifest
from medcore.results import MetricValue

__all__ = ["CardFigures", "write_card"]

_N_RESAMPLES = 500
_SHORT_METRICS = ("auroc", "brier", "calibration_slope")
_CHECKED_METRICS = (*_SHORT_METRICS, "calibration_intercept")


@dataclass(frozen=True, kw_only=True)
class CardFigures:
    """Everything measured that the card reports.

    ``y``, ``p`` are outcomes and held-out probabilities of the rows on which the question is asked;
    ``masked`` the probabilities of the same rows with fields hidden; ``secondary`` AUROC, rows and
    events of other outcomes; ``applicability`` the share of rows per state; ``base`` the background's mean.
    """

    metrics: Mapping[str, MetricValue]
    threshold: float
    y: np.ndarray
    p: np.ndarray
    groups: Mapping[str, np.ndarray]
    masked: Mapping[str, np.ndarray]
    secondary: Mapping[str, tuple[float, int, int]]
    applicability: Mapping[str, float]
    base: float
    coverage: Coverage


def write_card(
    condition: Condition, table: TrainingTable, manifest: Manifest, recipe: Recipe, figures: CardFigures
) -> str:
    """Return the card in Markdown."""
    sections = [
        f"# {condition.title}: {manifest.title}",
        f"`{manifest.id}` version {manifest.version}, {manifest.created}. Decision support, not a diagnosis.",
        _section("Purpose", condition.card.purpose),
        _section("Outcome", condition.outcome),
        _section("Population", condition.card.population),
        _section("When not to use it", condition.card.not_for),
        _section("Data and licence", _data_text(table, figures)),
        _section("How it was made", _training_text(condition, table, manifest, recipe)),
        _section("Performance", _performance_text(recipe, figures)),
        _section("Calibration by tenths of risk", _decile_table(figures)),
        _section("Subgroups", _subgroup_text(figures)),
        _section("Other checks", _checks_text(figures)),
        _section("The range shown with a risk", figures.coverage.describe()),
        _section("Limits", condition.card.limits),
        _section("Contact", condition.card.contact),
        _section("References", "\n".join(f"- {item}" for item in condition.references)),
    ]
    return "\n\n".join(sections) + "\n"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _data_text(table: TrainingTable, figures: CardFigures) -> str:
    source = table.provenance
    extra = len(table.y) - len(figures.y)
    lines = [
        f"{source.name}. {source.origin} ({source.doi}). Licence: {source.licence}.",
        f"{len(figures.y):,} patients, {int(figures.y.sum()):,} with the outcome ({100 * figures.y.mean():.1f} %).",
    ]
    if extra:
        lines.append(f"A further {extra:,} rows helped in training only and count in no figure below.")
    lines.append("The bundle holds no patient: examples and reference patients are made up from summaries.")
    return " ".join(lines)


def _training_text(condition: Condition, table: TrainingTable, manifest: Manifest, recipe: Recipe) -> str:
    trained = manifest.trained_on
    soft = masked = ""
    if table.target is not None:
        soft = (
            " In training a borderline finding counts as borderline (targets between 0 and 1); calibration and every "
            "figure use the plain outcome."
        )
    hidden = [item.label for item in condition.schema.inputs if item.mask_rate > 0]
    if hidden:
        masked = (
            f" Hidden at random in training, and in half of what teaches calibration: {', '.join(hidden)}. The "
            "headline figures are with them where the study has them; those without stand under other checks."
        )
    kind = "a stacked Keras network" if isinstance(recipe, KerasRecipe) else "scikit-learn"
    return (
        f"Trained as {kind} on {trained['device']} in {trained['seconds']:.0f} s, seed {trained['seed']}, "
        f"{trained['parameters']:,} parameters. Evaluation: {recipe.repeats} x stratified 10-fold cross-validation; "
        "every step (scaling, blanks, model) is fitted inside the folds, and every probability comes from a "
        "calibrator that never saw the patient. Probabilities are averaged over repeats before a figure is computed. "
        "Hyper-parameters were chosen by cross-validation on the same folds, so the figures are slightly optimistic."
        + soft
        + masked
    )


def _performance_text(recipe: Recipe, figures: CardFigures) -> str:
    head = (
        f"Cut-off for yes/no figures: {100 * figures.threshold:.1f} % (fixed by rule, not tuned). 95 % intervals.\n\n"
    )
    rows = [f"| {name} | {_with_interval(figures.metrics[name])} |" for name in METRIC_NAMES]
    return head + "\n".join(["| metric | value (95 % interval) |", "|---|---|", *rows])


def _decile_table(figures: CardFigures) -> str:
    rows = [
        f"| {100 * item.p_lo:.1f}-{100 * item.p_hi:.1f} | {item.n} | {100 * item.mean_p:.1f} | "
        f"{100 * item.observed:.1f} ({100 * item.lo:.1f}-{100 * item.hi:.1f}) |"
        for item in calibration_by_decile(figures.y, figures.p)
    ]
    head = ["| risk from-to, % | patients | mean risk, % | observed, % (95 % Wilson) |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _subgroup_text(figures: CardFigures) -> str:
    if not figures.groups:
        return "The data set records no groups to report by."
    rows = subgroup_table(
        figures.y,
        figures.p,
        attributes=dict(figures.groups),
        threshold=figures.threshold,
        rng=np.random.default_rng(0),
        n_resamples=_N_RESAMPLES,
    )
    lines = ["| group | patients | events | AUROC | Brier | calibration slope |", "|---|---|---|---|---|---|"]
    for row in rows:
        if row.too_few:
            cells = [f"too few: {row.n_events} events, {row.n - row.n_events} without", "", ""]
        else:
            cells = [_with_interval(row.metrics[name]) for name in _SHORT_METRICS]
        lines.append(f"| {row.attribute}: {row.group} | {row.n} | {row.n_events} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _checks_text(figures: CardFigures) -> str:
    lines = []
    everyone = np.ones(len(figures.y), dtype=bool)
    sites = figures.groups.get("site")
    parts = {"": everyone} if sites is None else {f", {site}": sites == site for site in np.unique(sites)}
    for name, p in figures.masked.items():
        for part, rows in parts.items():
            metrics = evaluate(
                figures.y[rows],
                p[rows],
                threshold=figures.threshold,
                rng=np.random.default_rng(0),
                n_resamples=_N_RESAMPLES,
            )
            shown = ", ".join(f"{key} {_with_interval(metrics[key])}" for key in _CHECKED_METRICS)
            lines.append(f"- {name}{part}: {shown}.")
    for name, (value, n, events) in figures.secondary.items():
        lines.append(f"- {name.replace('_', ' ')}: AUROC {value:.3f} ({events:,} of {n:,}).")
    rates = figures.applicability
    lines.append(
        "- Applicability on the study's own rows, judged by statistics they had no part in: "
        f"scored {100 * rates['scored']:.1f} %, caution {100 * rates['caution']:.1f} %, "
        f"withheld {100 * rates['withheld']:.1f} %."
    )
    lines.append(f"- Explanations start from the average risk of {100 * figures.base:.1f} %.")
    return "\n".join(lines)


def _with_interval(metric: MetricValue) -> str:
    if math.isnan(metric.lo):
        return f"{metric.value:.3f} (interval undefined)"
    return f"{metric.value:.3f} ({metric.lo:.3f}-{metric.hi:.3f})"

"""The card of a film model: what a reader must know before using it, every figure computed at training."""

from __future__ import annotations

import math

from medcore.conditions.film_condition import FilmCondition
from medcore.datasets.chest_films import FilmTable
from medcore.evaluation.calibration import calibration_by_decile
from medcore.evaluation.scoreboard import METRIC_NAMES
from medcore.models.film_calibration import READ_OTHERWISE
from medcore.models.film_recipes import FilmRecipe
from medcore.registry.manifest import Manifest
from medcore.results import MetricValue
from medcore.services.training.film_figures import PATTERN_METRIC, FilmFigures, Shortcuts

__all__ = ["write_film_card"]


def write_film_card(
    condition: FilmCondition, table: FilmTable, manifest: Manifest, recipe: FilmRecipe, figures: FilmFigures
) -> str:
    """Return the card in Markdown."""
    card = condition.card
    sections = [
        f"# {condition.title}: {manifest.title}",
        f"`{manifest.id}` version {manifest.version}, {manifest.created}. Decision support, not a diagnosis.",
        _section("Purpose", card.purpose),
        _section("Outcome", condition.outcome),
        _section("Population", card.population),
        _section("When not to use it", card.not_for),
        _section("Not assessed", ", ".join(condition.not_assessed).capitalize() + "."),
        _section("Data and licence", _data_text(table, figures)),
        _section("How it was made", _training_text(manifest, recipe)),
        _section("Performance on the test films", _performance_text(figures)),
        _section("Cut-offs", _points_text(figures)),
        _section("Calibration", _calibration_text(figures)),
        _section("Which films get a score", _gate_text(figures)),
        _section("Shortcuts: size and aspect ratio", _shortcut_text(figures.shortcuts)),
        _section("The range shown with a probability", _range_text(figures)),
        _section("Limits", card.limits),
        _section("Contact", card.contact),
        _section("References", "\n".join(f"- {item}" for item in condition.references)),
    ]
    return "\n\n".join(sections) + "\n"


def _range_text(figures: FilmFigures) -> str:
    films = "the validation films" if figures.rehearsed is None else "the films of the rehearsal"
    how = " (as they are, and changed as for the calibration)" if figures.rehearsed is None else ""
    return (
        f"Among {films} with scores nearest to this one{how}, the share with pneumonia and its 90 % Wilson interval, "
        "counting patients. It does not cover films of another hospital."
    )


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _data_text(table: FilmTable, figures: FilmFigures) -> str:
    source = table.provenance
    parts = "; ".join(
        f"{name} {n:,} films, {100 * share:.1f} % with pneumonia" for name, (n, share) in figures.parts.items()
    )
    return (
        f"{source.name}. {source.origin} ({source.doi}). Licence: {source.licence}. {parts}. No patient and no exact "
        "copy of a film is in two parts. The test part is the publisher's; validation is, like it, a block of the "
        "publisher's numbering, because a random part of the training films is easier than the test part. "
        "The bundle holds no film."
    )


def _training_text(manifest: Manifest, recipe: FilmRecipe) -> str:
    trained = manifest.trained_on
    ways = "; another ".join(_describe_teaching(member) for member in recipe.members)
    start = (
        "random weights"
        if recipe.pretrained is None
        else f"the ImageNet weights of EfficientNet-Lite{recipe.pretrained}"
    )
    looks = {
        "standardised": "Every film is brought to one mean and spread first, so that exposure does not matter. ",
        "binarised": "Every film is turned to black and white at half of its range first, as some texts recommend. ",
    }
    n = len(recipe.members)
    members = "" if n == 1 else f"{n} networks, each from its own seed and taught in its own way, averaged. "
    rehearsal = ", ".join(f"{epochs} epochs at {size} px" for size, epochs in recipe.rehearsal)
    rehearsed = f"The rehearsal (see calibration) took {rehearsal}, included in that time. " if rehearsal else ""
    return (
        members + f"Trained from {start} on {trained['device']} in {trained['seconds']:.0f} s, seed {trained['seed']}, "
        f"{trained['parameters']:,} parameters: {ways}; AdamW with warm-up and cosine, class weights; the released "
        "weights are the running mean of all steps. Films are mirrored, turned, "
        "zoomed, stretched, blurred or sharpened and shown under other light while it learns, and detail is varied "
        "because films of ill children were smaller. "
        + looks.get(recipe.plan.look, "")
        + rehearsed
        + "Epochs, cut-offs and calibration were chosen on validation and training films; the test films were scored "
        "once for this bundle. `releases.csv` lists every bundle whose test films were ever scored, also those that "
        "were not kept: where there are several of one name, the kept one was chosen with these figures in view, and "
        "they are a little flattered."
    )


def _describe_teaching(recipe: FilmRecipe) -> str:
    schedule = recipe.schedule
    sizes = ", ".join(f"{epochs} epochs at {size} px" for size, epochs in schedule.phases)
    blended = f", {100 * schedule.mix:.0f} % of batches blended in pairs" if schedule.mix else ""
    return f"{sizes}, batches of {schedule.batch_size}{blended}"


def _performance_text(figures: FilmFigures) -> str:
    n, share = figures.parts["test"]
    head = (
        f"{n} films, {100 * share:.1f} % with pneumonia. Yes/no figures at the balanced cut-off of "
        f"{100 * figures.points['default']:.1f} %. 95 % intervals, counting patients.\n\n"
    )
    rows = [f"| {name} | {_with_interval(figures.metrics[name])} |" for name in METRIC_NAMES]
    rows.append(f"| bacterial v viral AUROC, ill films only | {_with_interval(figures.metrics[PATTERN_METRIC])} |")
    return head + "\n".join(["| metric | value (95 % interval) |", "|---|---|", *rows])


def _points_text(figures: FilmFigures) -> str:
    rows = [
        f"| {name.replace('_', ' ')} | {_percent(figures.points[name])} | {_percent(found)} | {_percent(spared)} |"
        for name, (found, spared) in figures.at_points.items()
    ]
    head = ["| cut-off | probability | pneumonias found | normal films left alone |", "|---|---|---|---|"]
    films = "validation films" if figures.rehearsed is None else "the films of the rehearsal (see calibration)"
    return f"Chosen on {films}; the shares are those of the test films.\n\n" + "\n".join([*head, *rows])


def _calibration_text(figures: FilmFigures) -> str:
    validation, (brier, intercept) = figures.validation, figures.rebased
    head = (
        "Fitted on validation films, half of them changed in light, sharpness and geometry, weighted to the study's "
        f"mix, and as if {_percent(READ_OTHERWISE)} of the films would be read otherwise by another reader. "
        + _rehearsal_text(figures)
        + f"Validation films as they are: AUROC {validation['auroc']:.4f}, Brier score {validation['brier']:.4f}, "
        f"calibration slope {validation['calibration_slope']:.2f}. The test films are shifted against them (other "
        "numbers, darker bacterial films) and hold fewer ill ones. Restated at their own share of ill films, the Brier "
        f"score is {brier:.4f} and {_describe_intercept(intercept)}: this is what the calibration leaves over.\n\n"
    )
    rows = [
        f"| {100 * item.p_lo:.1f}-{100 * item.p_hi:.1f} | {item.n} | {100 * item.mean_p:.1f} | "
        f"{100 * item.observed:.1f} ({100 * item.lo:.1f}-{100 * item.hi:.1f}) |"
        for item in calibration_by_decile(figures.y, figures.p)
    ]
    table = [
        "| probability from-to, % | test films | mean, % | observed, % (95 % Wilson) |",
        "|---|---|---|---|",
        *rows,
    ]
    return head + "\n".join(table)


def _rehearsal_text(figures: FilmFigures) -> str:
    if figures.rehearsed is None:
        return ""
    n, area = figures.rehearsed
    return (
        f"Then moved by a rehearsal: the same recipe, shorter, without the {n} healthy films that look most like ill "
        "ones outside the lungs, gave them scores as it would to films of an unknown kind (AUROC against ill "
        f"validation films {area:.4f}); the step from its calibration on known films to that on these was carried "
        "over, and the cut-offs are those that serve best there. "
    )


def _describe_intercept(intercept: float) -> str:
    side = "too high" if intercept < 0 else "too low"
    return f"probabilities are {side} by {abs(intercept):.2f} on the log-odds scale"


def _gate_text(figures: FilmFigures) -> str:
    rows = [
        f"| {name} | {rate.n} | {100 * rate.withheld:.1f} % | {100 * rate.caution:.1f} % |"
        for name, rate in figures.gate.items()
    ]
    head = ["| films | n | no score | score with caution |", "|---|---|---|---|"]
    return (
        "Limits were set on validation films; header checks (age, view, modality) come before and are not counted. "
        "The first row is the rate of false refusals on good films.\n\n" + "\n".join([*head, *rows])
    )


def _shortcut_text(found: Shortcuts) -> str:
    plain, wide, high = found.stretched
    lines = [
        f"- In {found.n_known:,} training films of known size, the aspect ratio alone tells ill from healthy with an "
        f"AUROC of {found.aspect_auroc:.3f}, the number of pixels with {found.size_auroc:.3f}. Squashing to a square "
        "hides the size but stretches the anatomy.",
        "- Within a class the score should not follow the aspect ratio. Rank correlation: "
        f"{found.aspect_correlation[0]:+.2f} in healthy films, {found.aspect_correlation[1]:+.2f} in ill films "
        "(a sample, films the model learnt from among them).",
        f"- Validation films shown as if taken a quarter wider: AUROC {wide:.4f}; higher: {high:.4f}; as they are: "
        f"{plain:.4f}. Widening moves the score by {found.stretch_shift[0]:+.2f} (healthy) and "
        f"{found.stretch_shift[1]:+.2f} (ill) on the log-odds scale.",
    ]
    if found.n_originals:
        lines.append(
            f"- {found.n_originals} films known at full size, squashed by this program, differ from their stored "
            f"copies by at most {100 * found.original_gap:.1f} percentage points."
        )
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _with_interval(metric: MetricValue) -> str:
    if math.isnan(metric.lo):
        return f"{metric.value:.3f} (interval undefined)"
    return f"{metric.value:.3f} ({metric.lo:.3f}-{metric.hi:.3f})"

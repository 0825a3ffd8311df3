"""The words of the X-ray panel as HTML: state, probability, sentence, cut-off, limits. Pure text, no Streamlit.

Takes a :class:`~medcore.services.films.reading.Finding`, which exists for a read film only; of a film that was not read
there is nothing here to show but its state.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import date
from html import escape

from medcore.errors import MedcoreError
from medcore.results import ModelFacts, Saliency, Status
from medcore.services.films.reading import HEAT_MAP, SHAP_MAP, FilmCase, Finding, OwnReading, Stage
from medcore.services.house import FilmCondition
from medcore.services.operating import OperatingPoint
from medcore.ui import wording
from medcore.ui.panel import embolden

__all__ = [
    "READING_WORDS",
    "describe_error",
    "describe_film",
    "describe_state",
    "heat_caption",
    "render_details",
    "render_finding",
    "render_map",
    "render_state",
    "render_unopened",
    "write_age",
    "write_copy_text",
    "write_corner",
    "write_sentence",
    "write_when",
]

READING_WORDS = {
    OwnReading.NORMAL: "normal",
    OwnReading.PNEUMONIA: "pneumonia",
    OwnReading.OTHER: "other",
    OwnReading.UNSURE: "unsure",
}
HEAT_LIMITS = "Shows where the score is sensitive. It may miss small findings and is no proof."
SHAP_LIMITS = (
    "SHAP values: orange parts raise the score, blue parts lower it, each against the same part blurred. "
    "They say what the network used and are no proof."
)
MAP_WORDS = {HEAT_MAP: "Heat map", SHAP_MAP: "SHAP"}
BAND_MEANING = (
    "Calibration band: how many of the validation films with scores nearest to this one had the finding, with a 90 % "
    "range. It does not cover a site whose films differ from the study's."
)
_STATE_WORDS = {Status.SCORED: "Scored", Status.CAUTION: "Caution", Status.WITHHELD: "Withheld"}
_MONTHS = 12


def write_age(years: float) -> str:
    """Write an age as people say it: ``"2 y 3 m"`` below 5 years, whole years above, months below one.

    Examples
    --------
    >>> write_age(2.25), write_age(0.5), write_age(9.4), write_age(3.0)
    ('2 y 3 m', '6 m', '9 y', '3 y')
    """
    whole, months = divmod(math.floor(years * _MONTHS + 0.5), _MONTHS)
    if whole >= 5:
        return f"{whole} y"
    parts = [f"{whole} y" if whole else "", f"{months} m" if months or not whole else ""]
    return " ".join(part for part in parts if part)


def describe_film(case: FilmCase) -> str:
    """Say what the header tells in a few letters: ``"2 y 3 m · F · AP"``; empty when it tells nothing."""
    film = case.film
    if film is None:
        return ""
    age = write_age(film.age_years) if film.age_years is not None else ""
    return " · ".join(part for part in (age, film.sex or "", film.view.value if film.view else "") if part)


def write_corner(case: FilmCase) -> tuple[str, ...]:
    """Return the lines of the viewer's corner."""
    film = case.pixels
    date = film.acquired_on.isoformat() if film.acquired_on else ""
    known = " · ".join(part for part in (describe_film(case), date) if part)
    remarks = [wording.as_sentence(text) for text in case.remarks]
    return (f"Film {case.number}", known or "nothing in the header", *remarks)


def describe_state(case: FilmCase) -> str:
    """Say in one or two words where a film stands; never what the model thinks of it."""
    if case.stage is Stage.FAILED:
        return "unreadable"
    if case.stage is Stage.WAITING:
        return "opening"
    if case.reading is not None:
        return f"✓ {READING_WORDS[case.reading]}"
    if case.status is Status.WITHHELD:
        return "withheld"
    return "to read"


def render_state(case: FilmCase) -> str:
    """Return the badge of a film's state with its reasons; holds no number."""
    if case.status is None:
        return ""
    name = case.status.value
    lead = "No score" if case.status is Status.WITHHELD else "Caution"
    items = "".join(f"<li><b>{lead}:</b> {escape(_end(reason.text))}</li>" for reason in case.telling)
    return (
        f'<section class="mc-head mc-{name}"><p class="mc-state"><span class="mc-badge">'
        f'<i class="mc-symbol mc-symbol-{name}" aria-hidden="true"></i>{_STATE_WORDS[case.status]}</span></p>'
        f"{f'<ul class=mc-reasons>{items}</ul>' if items else ''}</section>"
    )


def write_when(case: FilmCase) -> str:
    """Say of an own reading that it was changed, or first given, after the score was seen; empty where it was not."""
    if case.late:
        return " (after the score)"
    return " (changed after the score)" if case.revised else ""


def render_unopened(case: FilmCase) -> str:
    """Return what stands in the viewer's place for a film without pixels."""
    if case.error is None:
        return (
            '<section class="mc-film-message" role="status"><p class="mc-title">Opening the film</p>'
            '<div class="mc-skeleton" aria-hidden="true"><i></i><i></i></div></section>'
        )
    return (
        f'<section class="mc-film-message" role="alert"><p class="mc-title">This file could not be opened</p>'
        f"<p>{escape(_end(case.error.message))}</p>"
        '<p class="mc-quiet">The other films are not affected. N goes to the next one.</p></section>'
    )


def render_finding(condition: FilmCondition, finding: Finding) -> str:
    """Return headline, sentence and cut-off of a read film; nothing but the state where the score is withheld."""
    if finding.p is None or finding.interval is None:
        return ""
    wide = f'<p><span class="mc-wide">{wording.TOO_WIDE}</span></p>' if wording.is_too_wide(finding.interval) else ""
    return (
        '<section class="mc-finding" role="status" aria-label="Result">'
        f'<p class="mc-sentence">{embolden(write_sentence(condition, finding))}</p>{wide}'
        f"{_render_point(finding.point)}</section>"
    )


def render_map(finding: Finding, method: str, *, coming: bool) -> str:
    """Say how far the map can be relied on, or why there is none."""
    if finding.saliency_error is not None:
        reason = wording.as_sentence(finding.saliency_error.message)
        return f'<p class="mc-line"><b>No map.</b> {escape(reason)} The score stands.</p>'
    saliency = finding.saliency
    if saliency is None:
        text = "Being computed." if coming else "Hold H: it is computed, then shown while H is held."
        slow = " It takes some seconds." if method == SHAP_MAP else ""
        return f'<p class="mc-quiet">{text}{slow}</p>'
    if not saliency.reliable:
        why = wording.as_sentence(saliency.reason or "it failed its own checks")
        return f'<p class="mc-line"><b>Map not shown.</b> {escape(why)} The score stands.</p>'
    if method == SHAP_MAP:
        return f'<p class="mc-line">{escape(_write_shares(saliency))}</p><p class="mc-quiet">{SHAP_LIMITS}</p>'
    return f'<p class="mc-line">{escape(_write_reliability(saliency))}</p><p class="mc-quiet">{HEAT_LIMITS}</p>'


def heat_caption(finding: Finding | None, *, is_open: bool = False) -> str:
    """Return the line under the viewer: the map's limits, or why there is no map. Empty when it can be asked for."""
    if finding is None:
        return "No score yet, hence no map." if is_open else "Your own reading comes first: keys 1 to 4."
    if finding.p is None:
        return "No score, hence no map."
    if finding.saliency_error is not None:
        return f"No map: {wording.lower_first(finding.saliency_error.message)}"
    if finding.saliency is None:
        return ""
    if not finding.saliency.reliable:
        return f"Map not shown: {wording.lower_first(finding.saliency.reason or 'it failed its own checks')}"
    return SHAP_LIMITS if finding.saliency.method == SHAP_MAP else HEAT_LIMITS


def render_details(
    condition: FilmCondition,
    case: FilmCase,
    finding: Finding | None,
    facts: ModelFacts | None,
    points: Sequence[OperatingPoint],
) -> str:
    """Return what stands closed under "More": patterns, cut-offs, transforms, removed entries, notes, model."""
    film = case.film
    parts = []
    if finding is not None and finding.patterns:
        shares = ", ".join(f"{word} {wording.write_percent(share)}" for word, share in finding.patterns.items())
        text = f"Pattern as labelled in the training films: {shares}. {condition.pattern_caption}"
        parts.append(_part("If it is pneumonia", f"<p>{escape(text)}</p>"))
    if finding is not None and finding.p is not None:
        parts.append(_part("The range", f"<p>{BAND_MEANING}</p>"))
        parts.append(_part("Cut-offs", _render_points(points)))
    if film is not None:
        parts.append(_part("From file to picture", _list(film.provenance)))
        parts.append(
            _part("Removed from the header", _list(film.removed) if film.removed else "<p>Nothing to remove.</p>")
        )
        notes = (*film.notes, *case.remarks)
        if notes:
            parts.append(_part("Notes", _list(wording.as_sentence(note) for note in notes)))
    parts.append(_part("Model facts", f"<p>{embolden(condition.facts_line)}</p>{_render_model(facts)}"))
    return "".join(parts)


def write_sentence(condition: FilmCondition, finding: Finding) -> str:
    """Write the result in the question's own words (Markdown bold); empty where the score is withheld."""
    if finding.p is None or finding.interval is None:
        return ""
    texts = [wording.write_percent(value) for value in (finding.p, finding.interval.lo, finding.interval.hi)]
    site = "" if finding.prevalence is None else _count(finding.prevalence)
    return condition.sentence(texts[0], texts[1], texts[2], site, _count(finding.base_rate))


def write_copy_text(condition: FilmCondition, case: FilmCase, finding: Finding, facts: ModelFacts, today: date) -> str:
    """Write the line for the report: reading, sentence, state, verdict and model; nothing of the file or the child."""
    own = READING_WORDS[case.reading] if case.reading is not None else "none"
    sentence = write_sentence(condition, finding).replace("**", "") or "No score."
    reasons = " ".join(_end(reason.text) for reason in case.telling)
    state = f"State: {finding.prediction.status}{f': {reasons}' if reasons else '.'}"
    verdict = ""
    if case.verdict is not None:
        verdict = "Agreed." if case.verdict.agrees else f"Overridden: {_end(case.verdict.text)}"
    head = f"Medcore {condition.id} v{facts.version} ({finding.prediction.sha256[:6]}) {today.isoformat()}:"
    revised = write_when(case)
    parts = (head, sentence, state, f"Own reading{revised}: {own}.", verdict, "Decision support, not a diagnosis.")
    return " ".join(part for part in parts if part)


def _render_point(point: OperatingPoint | None) -> str:
    if point is None:
        return ""
    side = "This film reaches it." if point.reached else "This film lies below it."
    return (
        f'<p class="mc-line">At the <i>{_name_point(point)}</i> cut-off {_count(point.sensitivity)} of 100 pneumonias '
        f"are found and {_count(point.false_calls)} of 100 normal films are called. <b>{side}</b></p>"
    )


def _render_points(points: Sequence[OperatingPoint]) -> str:
    if not points:
        return "<p>This model's test scores cannot be read.</p>"
    rows = "".join(
        f"<tr><th scope='row'>{_name_point(point)}</th><td>{wording.write_percent(point.threshold)}</td>"
        f"<td>{_count(point.sensitivity)}</td><td>{_count(point.false_calls)}</td></tr>"
        for point in points
    )
    n = points[0].n_positive + points[0].n_negative
    return (
        "<table class='mc-table'><thead><tr><th scope='col'>Cut-off</th><th scope='col'>from</th>"
        f"<th scope='col'>found of 100</th><th scope='col'>called of 100 normal</th></tr></thead><tbody>{rows}</tbody>"
        f"</table><p class='mc-quiet'>Counted on {n} test films; chosen on others. On the study's mix.</p>"
    )


def _name_point(point: OperatingPoint) -> str:
    return escape(point.name.replace("_", "-"))


def _count(share: float) -> str:
    """Say a share as a count of 100; never none or all where it is not.

    Examples
    --------
    >>> _count(0.984), _count(0.002), _count(0.0), _count(0.997)
    ('98', 'fewer than 1', '0', 'more than 99')
    """
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}"
    if share < 0.005:
        return "fewer than 1"
    return "more than 99" if share > 0.995 else f"{math.floor(100 * share + 0.5)}"


def _write_shares(saliency: Saliency) -> str:
    """Say from where to where the parts take the score."""
    parts = [value for row in saliency.grid for value in row]
    raised, lowered = (100 * sum(v for v in parts if v * sign > 0) for sign in (1, -1))
    base = (
        ""
        if saliency.base is None
        else f"Blurred all over, the film would score {wording.write_percent(saliency.base)}. "
    )
    return (
        f"{base}Its parts raise that by {raised:.0f} and lower it by {-lowered:.0f} percentage points, "
        f"to {wording.write_percent(saliency.p_calibrated)} on the study's mix."
    )


def _write_reliability(saliency: Saliency) -> str:
    checks = []
    if saliency.deletion is not None and saliency.deletion_random is not None:
        checks.append(
            f"blurring its strongest parts first lowers the score to {wording.write_percent(saliency.deletion)} on "
            f"average, blurring at random to {wording.write_percent(saliency.deletion_random)}"
        )
    if saliency.randomised_similarity is not None:
        checks.append(
            f"its likeness to the map of an untrained network is {saliency.randomised_similarity:.2f} (1 = same)"
        )
    return f"Checked: {'; '.join(checks)}." if checks else "Passed its checks."


def _end(text: str) -> str:
    """End a text with a full stop and keep ranges of numbers on one line."""
    bound = re.sub(r"(\d)-(\d)", "\\1-\u2060\\2", text)
    return bound if bound.endswith((".", "!", "?")) else f"{bound}."


def _part(title: str, body: str) -> str:
    return f"<h3>{escape(title)}</h3>{body}"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _render_model(facts: ModelFacts | None) -> str:
    if facts is None:
        return "<p>No model is installed: films open without a score.</p>"
    return (
        f"<p class='mc-quiet'>{escape(facts.title)}, version {escape(facts.version)}, "
        f"<code>{escape(facts.sha256[:12])}</code></p>"
    )


def describe_error(error: MedcoreError) -> str:
    """Return an error as a sentence, ready for HTML."""
    return escape(wording.as_sentence(error.message))

"""The words of the result panel as HTML: state, number, sentence, reasons. Pure text, no Streamlit.

A withheld result holds no number and no bar: there is none in it to show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote

from medcore.records import Field, FieldKind, PatientRecord
from medcore.results import Assessment, Interval, MissingValueGain, Prediction, Reason, Status
from medcore.ui import wording

__all__ = [
    "ResultView",
    "Texts",
    "embed_drawings",
    "embolden",
    "render_blocked",
    "render_facts",
    "render_failed",
    "render_head",
    "render_needed",
]

_STATE_WORDS = {Status.SCORED: "Scored", Status.CAUTION: "Caution", Status.WITHHELD: "Withheld"}
_LEAST_CHANGE = 0.005
_LEAST_GAIN = 0.02
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Label and value of every input field in words, in chart order."""

    labels: Mapping[str, str]
    values: Mapping[str, str]
    known: frozenset[str]
    choices: frozenset[str] = frozenset()

    @classmethod
    def of(cls, fields: Iterable[Field], record: PatientRecord, marks: Mapping[str, str]) -> Texts:
        """Write the texts of ``fields`` for one patient."""
        items = tuple(fields)
        return cls(
            labels={item.name: item.label for item in items},
            values={item.name: wording.describe_value(item, record, marks) for item in items},
            known=frozenset(record.values),
            choices=frozenset(item.name for item in items if item.kind is FieldKind.CHOICE),
        )

    @property
    def blanks(self) -> list[str]:
        """Short names of the fields that were not entered."""
        return [wording.lower_first(label) for name, label in self.labels.items() if name not in self.known]

    def phrase(self, name: str) -> str:
        """Write one field as it stands in a sentence: ``"urine output 300 mL/day L"``, ``"cancer: none"``."""
        colon = ":" if name in self.choices else ""
        return f"{wording.lower_first(self.labels[name])}{colon} {self.values[name]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultView:
    """What the panel shows about one assessed patient."""

    assessment: Assessment
    texts: Texts
    sentence: str
    questions: tuple[str, ...] = field(default_factory=tuple)
    caution: str = ""
    """What every number of this question is to be read with, whatever the state."""

    @property
    def prediction(self) -> Prediction:
        """The prediction shown."""
        return self.assessment.prediction


def embolden(text: str) -> str:
    """Escape ``text`` for HTML, keeping Markdown bold."""
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text, quote=False))


def embed_drawings(html: str) -> str:
    """Turn every drawing into an image with the same description: Streamlit removes drawings from a page's HTML."""

    def embed(found: re.Match[str]) -> str:
        drawing = found[0].replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        label = re.search(r'aria-label="([^"]*)"', drawing)
        return f'<img alt="{label[1] if label else ""}" src="data:image/svg+xml,{quote(drawing)}">'

    return re.sub(r"<svg.*?</svg>", embed, html, flags=re.DOTALL)


def render_head(view: ResultView) -> str:
    """Return state, reasons and, unless withheld, number, sentence and the fields that matter."""
    status = view.prediction.status
    parts = [_render_state(view.prediction), _render_reasons(view.prediction.applicability.reasons)]
    interval = view.prediction.interval
    if view.prediction.p_calibrated is not None and interval is not None:
        parts += [
            _render_number(view.prediction.p_calibrated, interval),
            _render_caution(view.caution),
            f'<p class="mc-sentence">{embolden(_bind_units(view.sentence))}</p>',
            _render_drivers(view),
        ]
    else:
        parts.append(f'<p class="mc-sentence">{embolden(view.sentence)}</p>')
    parts += [f'<p class="mc-ask">Please check: {escape(question)}</p>' for question in view.questions]
    return f'<section class="mc-head mc-{status.value}" aria-label="Result">{"".join(parts)}</section>'


def render_needed(fields: Iterable[Field], n_known: int, n_fields: int) -> str:
    """Return what is still needed before there can be a score."""
    items = "".join(f"<li>{escape(item.label)}</li>" for item in fields)
    return (
        '<section class="mc-head mc-empty" aria-label="Result"><p class="mc-title">Still needed for a score</p>'
        f'<ul>{items}</ul><p class="mc-quiet">{n_known} of {n_fields} fields entered. All other fields may stay '
        "blank: a blank means not known.</p></section>"
    )


def render_blocked(errors: Iterable[str]) -> str:
    """Return that the score is withheld until what is wrong or asked about is cleared up."""
    items = "".join(f"<li>{escape(text)}</li>" for text in errors)
    title = "Not scored yet: please correct" if items else "Not scored yet: please answer"
    return (
        f'<section class="mc-head mc-empty mc-withheld" aria-label="Result">{_render_badge(Status.WITHHELD, "")}'
        f'<p class="mc-title">{title}</p>{f"""<ul class="mc-errors">{items}</ul>""" if items else ""}</section>'
    )


def render_failed(message: str, title: str = "No answer from the model") -> str:
    """Return that no answer came, and why."""
    return (
        f'<section class="mc-head mc-empty" aria-label="Result"><p class="mc-title">{escape(title)}</p>'
        f'<p role="alert">{escape(wording.as_sentence(message))} What you entered is kept.</p></section>'
    )


def render_facts(facts_line: str) -> str:
    """Return the line that says where the model comes from."""
    return f'<p class="mc-facts">Model facts: {embolden(facts_line)}</p>'


def _bind_units(text: str) -> str:
    """Keep a number and its per cent sign on one line."""
    return re.sub(r"(\d) %", "\\1\u00a0%", text)


def _render_state(prediction: Prediction) -> str:
    status = prediction.status
    applied = prediction.applicability
    known = f"complete {applied.n_known} of {applied.n_fields} fields" if applied.n_fields else ""
    return _render_badge(status, known)


def _render_badge(status: Status, beside: str) -> str:
    return (
        f'<p class="mc-state"><span class="mc-badge">{_render_symbol(status)}{_STATE_WORDS[status]}</span>'
        f'<span class="mc-quiet">{beside}</span></p>'
    )


def _render_symbol(status: Status) -> str:
    """Return the place where the style sheet draws the symbol; Streamlit removes drawings from a page's HTML."""
    return f'<i class="mc-symbol mc-symbol-{status.value}" aria-hidden="true"></i>'


def _render_caution(text: str) -> str:
    if not text:
        return ""
    return f'<p class="mc-warn">{_render_symbol(Status.CAUTION)}<span>{escape(text)}</span></p>'


def _render_reasons(reasons: Iterable[Reason]) -> str:
    items = "".join(f"<li>{escape(reason.text)}</li>" for reason in reasons)
    return f'<ul class="mc-reasons">{items}</ul>' if items else ""


def _render_number(p: float, interval: Interval) -> str:
    wide = f' <span class="mc-wide">{wording.TOO_WIDE}</span>' if wording.is_too_wide(interval) else ""
    return (
        f'<p class="mc-number"><strong>{escape(wording.write_percent(p))}</strong> '
        f'<span class="mc-range" tabindex="0">range {escape(wording.write_range(interval))}'
        f'<span role="tooltip">{wording.RANGE_MEANING}</span></span>{wide}</p>'
    )


def _render_drivers(view: ResultView) -> str:
    lines: list[str] = []
    explanation = view.assessment.explanation
    if explanation is None:
        why = view.assessment.explanation_error or "it could not be computed"
        lines.append(f"<b>Explanation unavailable:</b> {escape(why)}")
    else:
        entered = {k: v for k, v in explanation.contributions.items() if k in view.texts.known}
        lines += _line("Mainly raised by", _strongest(entered, +1), view.texts)
        lines += _line("Lowered by", _strongest(entered, -1), view.texts)
    if view.texts.blanks:
        lines.append(f"<b>Not entered:</b> {escape(wording.list_words(view.texts.blanks, 5))}")
    gain = view.assessment.most_useful_missing
    p = view.prediction.p_calibrated
    if gain is not None and p is not None and gain.field in view.texts.labels and _is_worth_knowing(gain):
        text = wording.write_gain(gain, view.texts.labels[gain.field], p)
        lines.append(f"<b>Most useful missing value:</b> {escape(text)}")
    return f'<p class="mc-drivers">{"<br>".join(lines)}</p>'


def _is_worth_knowing(gain: MissingValueGain) -> bool:
    return abs(gain.p_hi - gain.p_lo) >= _LEAST_GAIN


def _strongest(contributions: Mapping[str, float], sign: int) -> list[str]:
    moved = [(sign * change, name) for name, change in contributions.items() if sign * change >= _LEAST_CHANGE]
    return [name for _, name in sorted(moved, reverse=True)[:_NAMED]]


def _line(head: str, names: list[str], texts: Texts) -> list[str]:
    if not names:
        return []
    return [f"<b>{head}:</b> {escape(', '.join(texts.phrase(name) for name in names))}"]

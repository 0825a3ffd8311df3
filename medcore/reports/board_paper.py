"""The board paper: two A4 pages on which a ward's board decides about one model, its cut-off and its use.

Pure: the same facts give the same bytes. Uses the standard fonts only, so nothing is embedded or fetched.
"""

from __future__ import annotations

import io
import math

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from medcore.reports.board_charts import (
    ROW_HEIGHT,
    draw_calibration,
    draw_decision,
    draw_groups,
    draw_people,
    percent,
)
from medcore.reports.ink import BOLD, INK, LINE, PLAIN, QUIET, SOFT, STYLES, Pen
from medcore.reports.paper_facts import BoardPaper, PaperFigure

__all__ = ["draw_board_paper", "write_harm_ratio"]

_WIDTH, _HEIGHT = float(A4[0]), float(A4[1])
_LEFT, _RIGHT, _FOOT = 42.0, _WIDTH - 42.0, 40.0
_SPAN = _RIGHT - _LEFT
_MOST_GROUPS = 26
_TALLEST = 300.0
_FOOT_LINE = "Decision support, not a diagnosis."


def draw_board_paper(facts: BoardPaper) -> bytes:
    """Draw the paper.

    Parameters
    ----------
    facts : BoardPaper
        Everything that stands on it; the first model is the one proposed.

    Returns
    -------
    bytes
        A PDF of two A4 pages.
    """
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle(f"Board paper: {facts.title}")
    canvas.setSubject(_FOOT_LINE)
    canvas.setAuthor(facts.made_by)
    pen = Pen(canvas)
    _draw_first(pen, facts)
    canvas.showPage()
    _draw_second(pen, facts)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def write_harm_ratio(cut_off: float, use: str) -> str:
    """Say what a cut-off accepts, in words.

    Examples
    --------
    >>> write_harm_ratio(0.1, "find cases")
    'This accepts 9 false alarms for one case found.'
    >>> write_harm_ratio(0.02, "rule out")
    'This accepts missing one case to spare 49 others a work-up.'
    >>> write_harm_ratio(0.8, "find cases")
    'This accepts one false alarm for 4 cases found.'
    """
    ratio = (1 - cut_off) / cut_off
    if use == "rule out":
        others = f"{_write_ratio(ratio)} others" if ratio >= 1 else "one other"
        cases = "one case" if ratio >= 1 else f"{_write_ratio(1 / ratio)} cases"
        return f"This accepts missing {cases} to spare {others} a work-up."
    if ratio >= 1:
        alarms = "one false alarm" if _write_ratio(ratio) == "1" else f"{_write_ratio(ratio)} false alarms"
        return f"This accepts {alarms} for one case found."
    return f"This accepts one false alarm for {_write_ratio(1 / ratio)} cases found."


def _write_ratio(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 or abs(ratio - round(ratio)) < 0.05 else f"{ratio:.1f}"


def _draw_first(pen: Pen, facts: BoardPaper) -> None:
    y = _draw_head(pen, facts, page=1)
    y = _draw_proposal(pen, facts, y)
    y = _draw_use(pen, facts, y - 8)
    y = _draw_counts(pen, facts, y - 12)
    y = draw_people(pen, facts, _LEFT, y - 6, _SPAN) - 14
    half = (_SPAN - 30) / 2
    pen.text(_LEFT, y, "Is it worth using?  Decision curve", size=10, font=BOLD)
    pen.text(_LEFT + half + 30, y, "Can its risks be believed?  Calibration", size=10, font=BOLD)
    bottom = _FOOT + 34
    height = min(_TALLEST, max(60.0, y - 26 - bottom))
    bottom = y - 26 - height
    draw_decision(pen, facts, _LEFT + 26, bottom, half - 20, height)
    draw_calibration(pen, facts, _LEFT + half + 58, bottom, half - 30, height)
    _draw_foot(pen, facts, 1)


def _draw_second(pen: Pen, facts: BoardPaper) -> None:
    y = _draw_head(pen, facts, page=2)
    y = _draw_board(pen, facts, y - 2)
    y = _draw_subgroups(pen, facts, y - 16)
    y = _draw_blanks(pen, facts, y - 14)
    y = _draw_texts(pen, facts, y - 14)
    _draw_hashes(pen, facts, y - 14)
    _draw_foot(pen, facts, 2)


def _draw_head(pen: Pen, facts: BoardPaper, *, page: int) -> float:
    y = _HEIGHT - 44
    pen.text(_LEFT, y, "Medcore · paper for the board", size=8, color=QUIET)
    pen.text_right(_RIGHT, y, f"{facts.made_at} · page {page} of 2", size=8, color=QUIET)
    y -= 22
    title = facts.title if page == 1 else "Figures, subgroups, limits"
    pen.text(_LEFT, y, title, size=16, font=BOLD)
    pen.line([(_LEFT, y - 7), (_RIGHT, y - 7)], color=LINE, width=0.7)
    return y - 18


def _draw_proposal(pen: Pen, facts: BoardPaper, y: float) -> float:
    model = facts.models[0]
    words = (
        f"Proposed: {model.title} (version {model.version}), to {facts.use}, at a cut-off of {percent(facts.cut_off)}."
    )
    ratio = write_harm_ratio(facts.cut_off, facts.use)
    lines = f"A patient is called when the estimated risk is {percent(facts.cut_off)} or more. {ratio} {facts.locked}"
    height = 46.0
    pen.box(_LEFT, y - height, _SPAN, height, fill=SOFT)
    pen.text(_LEFT + 8, y - 15, words, size=10.5, font=BOLD)
    pen.paragraph(_LEFT + 8, y - 18, lines.strip(), _SPAN - 16, size=9, most=2)
    return y - height - 4


def _draw_use(pen: Pen, facts: BoardPaper, y: float) -> float:
    half = (_SPAN - 18) / 2
    left = _draw_block(pen, "What for", facts.purpose, _LEFT, y, half)
    left = _draw_block(pen, "Who was studied", facts.population, _LEFT, left - 5, half)
    right = _draw_block(pen, "Who is not covered", facts.not_covered, _LEFT + half + 18, y, half)
    warnings = " ".join(facts.warnings)
    if warnings:
        right = _draw_block(pen, "Read this first", warnings, _LEFT + half + 18, right - 5, half)
    return min(left, right)


def _draw_block(pen: Pen, title: str, text: str, x: float, y: float, width: float, most: int = 7) -> float:
    pen.text(x, y - 9, title, size=9.5, font=BOLD)
    return pen.paragraph(x, y - 11, text or "Not stated.", width, size=9, most=most)


def _draw_counts(pen: Pen, facts: BoardPaper, y: float) -> float:
    study = percent(facts.prevalence_study)
    where = "as in the study" if abs(facts.prevalence - facts.prevalence_study) < 5e-4 else f"study: {study}"
    rate = f"{percent(facts.prevalence)}, {where}"
    words = f"Of 1,000 such patients, {1000 * facts.prevalence:.0f} have the outcome ({rate})"
    pen.text(_LEFT, y - 9, words, size=10, font=BOLD)
    heads = ("model", "found", "missed", "false alarms", "net cases found")
    columns = (_LEFT, _LEFT + 150, _LEFT + 240, _LEFT + 330, _LEFT + 430)
    y -= 23
    for x, head in zip(columns, heads, strict=True):
        pen.text(x, y, head, size=8, color=QUIET)
    pen.line([(_LEFT, y - 3), (_RIGHT, y - 3)], color=LINE, width=0.5)
    for place, model in enumerate(facts.models):
        y -= 15
        font = BOLD if place == 0 else PLAIN
        pen.text(columns[0], y, model.title[:30], size=8.5, font=font)
        for x, figure in zip(
            columns[1:], (model.found, model.missed, model.false_alarms, model.net_benefit), strict=True
        ):
            pen.text(x, y, _write(figure, 0), size=8.5, font=font)
    return y - 4


def _draw_board(pen: Pen, facts: BoardPaper, y: float) -> float:
    names = {
        "brier": "Brier score",
        "auroc": "AUROC",
        "calibration_slope": "calibration slope",
        "calibration_intercept": "intercept",
    }
    pen.text(_LEFT, y - 9, "All models compared, 95 % intervals", size=10, font=BOLD)
    y -= 23
    columns = (_LEFT, _LEFT + 170, _LEFT + 258, _LEFT + 346, _LEFT + 434)
    for x, head in zip(columns, ("model", *names.values()), strict=True):
        pen.text(x, y, head, size=8, color=QUIET)
    pen.line([(_LEFT, y - 3), (_RIGHT, y - 3)], color=LINE, width=0.5)
    for place, (model, (color, dash)) in enumerate(zip(facts.models, STYLES, strict=False)):
        y -= 14
        pen.line([(_LEFT, y + 3), (_LEFT + 16, y + 3)], color=color, width=1.2, dash=dash)
        pen.text(_LEFT + 20, y, model.title[:30], size=8.5, font=BOLD if place == 0 else PLAIN)
        for x, name in zip(columns[1:], names, strict=True):
            digits = 2 if name.startswith("calibration") else 3
            pen.text(x, y, _write(model.board.get(name), digits), size=7.5)
        y -= 9.5
        pen.text(_LEFT + 20, y, model.standing, size=7.5, color=QUIET)
    return y


def _draw_subgroups(pen: Pen, facts: BoardPaper, y: float) -> float:
    pen.text(_LEFT, y - 9, f"Subgroups: {facts.models[0].title} at the cut-off", size=10, font=BOLD)
    if not facts.groups:
        return pen.paragraph(_LEFT, y - 10, facts.groups_text or "No subgroups are known.", _SPAN, size=8.5)
    shown = facts.groups[:_MOST_GROUPS]
    y = draw_groups(pen, shown, _LEFT, y - 11, _SPAN)
    left_out = len(facts.groups) - len(shown)
    words = "Grey: too few patients with or without the outcome to be read."
    more = f" {left_out} more groups stand on the compare page." if left_out else ""
    return pen.paragraph(_LEFT, y, words + more, _SPAN, size=7.5, color=QUIET)


def _draw_blanks(pen: Pen, facts: BoardPaper, y: float) -> float:
    pen.text(_LEFT, y - 9, "Effect of missing inputs", size=10, font=BOLD)
    if not facts.blanks:
        return pen.paragraph(_LEFT, y - 10, facts.blanks_text or "Not known.", _SPAN, size=8.5, most=3)
    return draw_groups(pen, facts.blanks[:8], _LEFT, y - 11, _SPAN, heads=not facts.groups)


def _draw_texts(pen: Pen, facts: BoardPaper, y: float) -> float:
    y = _draw_block(pen, "Limits", facts.limits, _LEFT, y, _SPAN, most=5)
    people = f" in {facts.n_patients:,} patients" if facts.n != facts.n_patients else ""
    text = (
        f"{facts.source} {facts.n_events:,} of {facts.n:,} had the outcome{people}. Intervals are 95 %. "
        "Net cases found = cases found minus false alarms weighed by the cut-off's odds. Band of a curve: pointwise. "
        "How every figure is made stands in Medcore's methods (docs/methods.md)."
    )
    return _draw_block(pen, "Where the figures come from", text, _LEFT, y - 6, _SPAN, most=4)


def _draw_hashes(pen: Pen, facts: BoardPaper, y: float) -> float:
    pen.text(_LEFT, y - 9, "Model files (SHA-256 of the bundle)", size=9, font=BOLD)
    y -= 10
    for model in facts.models:
        y -= ROW_HEIGHT - 1
        pen.text(_LEFT, y, f"{model.model_id} {model.version}", size=7.5)
        pen.text(_LEFT + 170, y, model.sha256, size=7.5, font="Courier", color=INK)
    return y


def _draw_foot(pen: Pen, facts: BoardPaper, page: int) -> None:
    pen.line([(_LEFT, _FOOT - 2), (_RIGHT, _FOOT - 2)], color=LINE, width=0.5)
    model = facts.models[0]
    pen.text(_LEFT, _FOOT - 13, _FOOT_LINE, size=8, font=BOLD)
    pen.text_right(
        _RIGHT,
        _FOOT - 13,
        f"{model.model_id} {model.version} · {model.sha256[:12]} · {facts.made_by}",
        size=8,
        color=QUIET,
    )


def _write(figure: PaperFigure | None, digits: int) -> str:
    if figure is None or not math.isfinite(figure.value):
        return "not known"
    text = _number(figure.value, digits)
    if not (math.isfinite(figure.lo) and math.isfinite(figure.hi)):
        return text
    return f"{text} ({_number(figure.lo, digits)} to {_number(figure.hi, digits)})"


def _number(value: float, digits: int) -> str:
    text = f"{abs(value):.{digits}f}"
    return f"−{text}" if value < 0 and float(text) else text

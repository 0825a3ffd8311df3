"""The case file on A4, one or two pages. Pure: the same facts give the same bytes.

Uses the standard fonts only, so nothing is embedded or fetched; a character that they cannot show is printed as
``?`` and the page says so: the HTML and the JSON hold it exact.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from itertools import groupby

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from medcore.reports import case_words as words
from medcore.reports.case_file import NOTICE, STATES, CaseFile, CaseInput, CasePicture, CaseRisk
from medcore.reports.ink import ACCENT, BOLD, GREY, INK, LINE, PLAIN, QUIET, SOFT, WARM, Pen, can_print

__all__ = ["draw_case_pdf"]

_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT, _FOOT = 42.0, A4[0] - 42.0, 46.0
_SPAN = _RIGHT - _LEFT
_TOP = _HEIGHT - 52.0
_LEADING = 1.25
_HALF = (_SPAN - 20) / 2
_CUT = "Some text was too long for the page and is cut with an ellipsis; the HTML and JSON hold all of it."
_FONTS = "Some characters cannot be printed and stand as ?; the HTML and JSON hold them exact."
_BARS_CAPTION = "These are patterns in the study, not causes. Changing a value need not change the outcome."


class _Sheet:
    """A run of pages with a place to write next; ``n_pages`` is 0 while they are being counted."""

    def __init__(self, case: CaseFile, n_pages: int) -> None:
        self.buffer = io.BytesIO()
        self.canvas = Canvas(self.buffer, pagesize=A4, invariant=1, pageCompression=1)
        self.canvas.setTitle(f"Case file: {words.show_text(case.title)}")
        self.canvas.setSubject(NOTICE)
        self.canvas.setAuthor(f"Medcore {words.show_text(case.app_version)}")
        self.pen = Pen(self.canvas)
        self.case, self.n_pages, self.page = case, n_pages, 1
        self.cut = False
        self.y = _TOP
        self._draw_frame()

    def need(self, height: float) -> None:
        """Go to a new page unless ``height`` points are left on this one."""
        if self.y - height < _FOOT + 6:
            self.canvas.showPage()
            self.page += 1
            self.y = _TOP
            self._draw_frame()

    def heading(self, text: str, *, keep: float = 30.0) -> None:
        """Write a heading that stays with at least ``keep`` points of what follows."""
        self.need(20 + keep)
        self.y -= 18
        self.pen.text(_LEFT, self.y, text, size=10.5, font=BOLD)
        self.y -= 3

    def text(self, text: str, *, size: float = 9, font: str = PLAIN, color: str = INK, most: int = 8) -> None:
        """Write a paragraph over the whole width, on a new page where it does not fit; beyond ``most`` lines ``…``."""
        self.need(min(most, len(_split(text, font, size, _SPAN))) * size * _LEADING)
        self.y = self.fit(_LEFT, self.y, text, _SPAN, size=size, font=font, color=color, most=most)

    def fit(
        self,
        x: float,
        y: float,
        text: str,
        width: float,
        *,
        size: float = 9,
        font: str = PLAIN,
        color: str = INK,
        most: int = 2,
    ) -> float:
        """Write a paragraph at a place of this page, note whether it had to be cut, and return the y below it."""
        self.cut = self.cut or len(_split(text, font, size, width)) > most
        shown = _break_long_words(text, font, size, width)
        return self.pen.paragraph(x, y, shown, width, size=size, font=font, color=color, most=most)

    def close(self) -> bytes:
        self.canvas.showPage()
        self.canvas.save()
        return self.buffer.getvalue()

    def _draw_frame(self) -> None:
        pen, case = self.pen, self.case
        of = f" of {self.n_pages}" if self.n_pages else ""
        pen.text(_LEFT, _HEIGHT - 40, "Medcore · case file", size=8, color=QUIET)
        pen.text_right(
            _RIGHT, _HEIGHT - 40, f"{words.write_time(case.made_at)} · page {self.page}{of}", size=8, color=QUIET
        )
        if self.page > 1:
            who = _break_long_words(words.write_patient_line(case), BOLD, 8.5, _SPAN)
            self.y = self.pen.paragraph(_LEFT, _HEIGHT - 44, who, _SPAN, size=8.5, font=BOLD, most=1) - 4
        pen.line([(_LEFT, _FOOT), (_RIGHT, _FOOT)], color=LINE, width=0.5)
        pen.text(_LEFT, _FOOT - 11, NOTICE, size=8, font=BOLD)
        pen.paragraph(_LEFT, _FOOT - 13, words.write_hash_line(case), _SPAN, size=6.5, color=QUIET, most=1)


def draw_case_pdf(case: CaseFile) -> bytes:
    """Draw the case file.

    Returns
    -------
    bytes
        A PDF of A4 pages, one or two unless the texts in it are extraordinarily long.
    """
    counted = _draw(case, 0)
    sheet = _draw(case, counted.page)
    return sheet.close()


def _draw(case: CaseFile, n_pages: int) -> _Sheet:
    sheet = _Sheet(case, n_pages)
    _draw_head(sheet, case)
    _draw_result(sheet, case)
    _draw_film(sheet, case)
    _draw_bars(sheet, case)
    _draw_said(sheet, case)
    _draw_inputs(sheet, case)
    _draw_model(sheet, case)
    _draw_remarks(sheet, case)
    return sheet


def _draw_head(sheet: _Sheet, case: CaseFile) -> None:
    sheet.y -= 8
    sheet.text(case.title, size=16, font=BOLD, most=2)
    sheet.y -= 6
    who = words.write_patient_line(case)
    lines = min(3, len(_split(who, BOLD, 10, _SPAN - 20)))
    height = 9 + lines * 12.5
    pen = sheet.pen
    pen.box(_LEFT, sheet.y - height, _SPAN, height, fill="#FFFFFF", edge=LINE)
    pen.box(_LEFT, sheet.y - height, 3, height, fill=ACCENT)
    sheet.fit(_LEFT + 10, sheet.y - 2, who, _SPAN - 20, size=10, font=BOLD, most=3)
    sheet.y -= height + 2
    beside = " · ".join(
        part
        for part in (f"Assessed {words.write_time(case.assessed_at)}" if case.assessed_at else "", case.site)
        if part
    )
    if beside:
        sheet.text(beside, size=8, color=QUIET, most=1)
    for notice in case.notices:
        sheet.text(notice, size=8, color=QUIET, most=2)


def _draw_result(sheet: _Sheet, case: CaseFile) -> None:
    risk = case.risk
    lines = _list_result(risk)
    width = _SPAN - 20
    height = 27.0 + (36.0 if risk.p is not None else 0.0)
    height += sum(min(6, len(_split(text, font, 9, width))) * 9 * _LEADING + 3 for text, font, _ in lines)
    sheet.y -= 8
    sheet.need(height)
    pen, top = sheet.pen, sheet.y
    pen.box(_LEFT, top - height, _SPAN, height, fill=SOFT)
    state = STATES[risk.state]
    badge = pen.canvas.stringWidth(state, BOLD, 9) + 12
    pen.box(_LEFT + 10, top - 20, badge, 14, fill="#FFFFFF", edge=QUIET)
    pen.text(_LEFT + 16, top - 16, state, size=9, font=BOLD)
    pen.text(_LEFT + 18 + badge, top - 16, words.write_state_line(risk), size=8.5, color=QUIET)
    y = top - 24
    if risk.p is not None:
        number = words.write_percent(risk.p)
        pen.text(_LEFT + 10, y - 24, number, size=26, font=BOLD)
        x = _LEFT + 20 + pen.canvas.stringWidth(number, BOLD, 26)
        pen.text(x, y - 14, f"range {words.write_range(risk)}", size=11, font=BOLD)
        kind = f"{100 * risk.level:g} % {risk.interval_kind}"
        sheet.fit(x, y - 16, kind, _RIGHT - x - 8, size=7.5, color=QUIET, most=1)
        y -= 36
    for text, font, color in lines:
        y = sheet.fit(_LEFT + 10, y, text, width, size=9, font=font, color=color, most=6) - 3
    sheet.y = top - height - 2


def _list_result(risk: CaseRisk) -> list[tuple[str, str, str]]:
    """Return the sentences of the result as (text, font, colour)."""
    lines = [(f"• {reason}", PLAIN, INK) for reason in risk.reasons]
    lines.append((risk.sentence.replace("**", ""), PLAIN, INK))
    lines.append((risk.caution, BOLD, WARM))
    lines += [(f"Please check: {question}", PLAIN, INK) for question in risk.questions]
    shares = ", ".join(f"{name} {words.write_percent(share)}" for name, share in risk.classes)
    lines.append((f"If the film is positive: {shares}" if shares else "", PLAIN, QUIET))
    return [line for line in lines if line[0]]


def _draw_film(sheet: _Sheet, case: CaseFile) -> None:
    film = case.film
    if film is None:
        return
    sheet.heading("Film")
    sheet.text(words.write_film_line(film), size=8.5, most=2)
    if film.pictures:
        _draw_pictures(sheet, film.pictures[:2])
    if film.map_problem:
        sheet.text(film.map_problem, size=8.5, most=3)


def _draw_pictures(sheet: _Sheet, pictures: Sequence[CasePicture]) -> None:
    wide = (_SPAN - 16) / 2
    sized = [_fit_picture(picture, wide, 250.0) for picture in pictures]
    height = max(tall for _, _, tall in sized)
    sheet.need(height + 46)
    top = sheet.y - 6
    lowest = top
    for place, (picture, (reader, width, tall)) in enumerate(zip(pictures, sized, strict=True)):
        x = _LEFT + place * (wide + 16)
        sheet.canvas.drawImage(reader, x, top - tall, width, tall)
        caption = f"{picture.title}. {picture.caption}"
        lowest = min(lowest, sheet.fit(x, top - height - 2, caption, wide, size=7.5, color=QUIET, most=3))
    sheet.y = lowest


def _fit_picture(picture: CasePicture, width: float, height: float) -> tuple[ImageReader, float, float]:
    reader = ImageReader(io.BytesIO(picture.png))
    columns, rows = reader.getSize()
    scale = min(width / columns, height / rows)
    return reader, columns * scale, rows * scale


def _draw_bars(sheet: _Sheet, case: CaseFile) -> None:
    title = "What moved this estimate away from the average"
    if case.bars is None:
        if case.bars_problem:
            sheet.heading(title)
            sheet.text(case.bars_problem, most=3)
        return
    bars = case.bars
    rows = [(bar.label, bar.value, bar.points, bar.note) for bar in bars.bars]
    if bars.n_others:
        rows.append((f"{bars.n_others} others", "together", bars.others, ""))
    sheet.heading(f"{title} ({words.write_moved(bars)})", keep=14.0 * len(rows) + 14)
    scale = max([2.0, *(abs(points) for _, _, points, _ in rows)])
    for label, value, points, note in rows:
        _draw_bar(sheet, label, value, points, scale)
        if note:
            sheet.text(note, size=7.5, color=QUIET, most=2)
    sheet.y -= 2
    sheet.text(_BARS_CAPTION, size=7.5, color=QUIET)


def _draw_bar(sheet: _Sheet, label: str, value: str, points: float, scale: float) -> None:
    sheet.need(14)
    sheet.y -= 13
    pen, y = sheet.pen, sheet.y
    middle, half = _LEFT + 380.0, 90.0
    sheet.fit(_LEFT, y + 11.25, label, 165, most=1)
    sheet.fit(_LEFT + 170, y + 11.25, value, 115, size=9, color=QUIET, most=1)
    width = half * abs(points) / scale
    if width >= 0.3:
        x = middle if points >= 0 else middle - width
        pen.box(x, y - 1.5, width, 9, fill=WARM if points >= 0 else ACCENT)
    pen.line([(middle, y - 3), (middle, y + 9)], color=GREY, width=0.5)
    pen.text_right(_RIGHT, y, words.write_points(points), size=9)


def _draw_said(sheet: _Sheet, case: CaseFile) -> None:
    sheet.heading("Reader")
    for line in words.write_reader_lines(case):
        sheet.text(line, most=6)
    sheet.heading("Operating point", keep=14)
    sheet.text(words.write_point(case), most=4)


def _draw_inputs(sheet: _Sheet, case: CaseFile) -> None:
    """Write the form in two columns, group by group; the blanks together in one line."""
    entered = [item for item in case.inputs if item.value is not None or item.text != "not entered"]
    if not case.inputs:
        return
    sheet.heading("What was entered", keep=40)
    for group, items in groupby(entered, key=lambda item: item.group):
        _draw_group(sheet, group, list(items))
    blanks = [item.label for item in case.inputs if item.value is None and item.text == "not entered"]
    if blanks:
        sheet.y -= 2
        sheet.text(f"Not entered: {', '.join(blanks)}.", size=8.5, color=QUIET, most=4)
    sheet.text("L, H: below or above the usual range.", size=7.5, color=QUIET)


def _draw_group(sheet: _Sheet, group: str, items: Sequence[CaseInput]) -> None:
    sheet.need(28)
    sheet.text(group, size=8, color=QUIET, most=1)
    row: list[CaseInput] = []
    for item in items:
        wide = not _fits_half(item)
        if row and (wide or len(row) == 2):
            _draw_row(sheet, row)
            row = []
        row.append(item)
        if wide:
            _draw_row(sheet, row)
            row = []
    if row:
        _draw_row(sheet, row)


def _fits_half(item: CaseInput) -> bool:
    label, text = words.show_text(item.label), words.show_text(item.text)
    return bool(stringWidth(label, PLAIN, 8.5) < 0.54 * _HALF and stringWidth(text, BOLD, 8.5) < 0.44 * _HALF)


def _draw_row(sheet: _Sheet, row: Sequence[CaseInput]) -> None:
    """Write one field that needs the whole width, or up to two beside each other."""
    sheet.need(12)
    width = _HALF if _fits_half(row[0]) else _SPAN
    near = 0.56 * _HALF / _SPAN
    fits_near = stringWidth(words.show_text(row[0].label), PLAIN, 8.5) < (near - 0.02) * _SPAN
    split = 0.56 if width == _HALF else near if fits_near else 0.42
    lowest = sheet.y
    for place, item in enumerate(row):
        x = _LEFT + place * (_HALF + 20)
        font = BOLD if item.mark else PLAIN
        ends = (
            sheet.fit(x, sheet.y, item.label, width * (split - 0.02), size=8.5, most=2),
            sheet.fit(x + width * split, sheet.y, item.text, width * (0.98 - split), size=8.5, font=font, most=4),
        )
        lowest = min(lowest, *ends)
    sheet.y = lowest - 1


def _draw_model(sheet: _Sheet, case: CaseFile) -> None:
    """Write the model facts, on one page if they go on one."""
    lines = [f"{name}: {text}" for name, text in words.write_model_lines(case)]
    if case.not_assessed:
        lines.append(f"Not assessed by the model: {', '.join(case.not_assessed)}.")
    lines.append(f"Outcome: {case.outcome}.")
    height = sum(min(6, len(_split(line, PLAIN, 8, _SPAN))) * 8 * _LEADING + 1.5 for line in lines)
    sheet.heading("Model facts", keep=min(height, 300.0))
    for line in lines:
        sheet.text(line, size=8, most=6)
        sheet.y -= 1.5


def _draw_remarks(sheet: _Sheet, case: CaseFile) -> None:
    """Say what this print could not hold."""
    unprintable = not all(can_print(text) for text in _list_texts(case))
    for text, holds in ((_CUT, sheet.cut), (_FONTS, unprintable)):
        if holds:
            sheet.text(text, size=8, color=WARM)


def _list_texts(case: CaseFile) -> Iterable[str]:
    yield from (case.title, case.site, words.write_patient_line(case), case.risk.sentence)
    yield from words.write_reader_lines(case)
    yield from (item.text for item in case.inputs)


def _split(text: str, font: str, size: float, width: float) -> list[str]:
    lines: list[str] = simpleSplit(_break_long_words(text, font, size, width), font, size, width)
    return lines


def _break_long_words(text: str, font: str, size: float, width: float) -> str:
    """Put spaces into words that are wider than a line, so that nothing runs off the page; in one safe line."""
    longest = max(1, int(width / size))
    return " ".join(
        " ".join(word[start : start + longest] for start in range(0, len(word), longest))
        if len(word) > longest and stringWidth(word, font, size) > width
        else word
        for word in words.show_text(text).split(" ")
    )

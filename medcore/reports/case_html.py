"""The case file as one HTML page that needs nothing else: no script, no address outside itself, pictures inside."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from html import escape
from itertools import groupby

from medcore.reports import case_words as words
from medcore.reports.case_file import NOTICE, STATES, CaseFile, CaseInput, CasePicture

__all__ = ["write_case_html"]

_RAISES, _LOWERS = "#B4500B", "#0B5CAD"
_BARS_CAPTION = "These are patterns in the study, not causes. Changing a value need not change the outcome."
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 960px; color: #1A2433; background: #fff;
  font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 24px; margin: 4px 0 8px; } h2 { font-size: 16px; margin: 24px 0 6px; }
.quiet { color: #566173; font-size: 13px; } .who { border: 1px solid #C3CBD6; border-left: 4px solid #0B5CAD;
  padding: 8px 12px; font-weight: 600; }
.result { background: #E9EDF2; padding: 12px 16px; margin-top: 12px; }
.state { font-weight: 600; border: 1px solid #566173; border-radius: 3px; padding: 1px 8px; background: #fff; }
.number { font-size: 34px; font-weight: 600; margin: 6px 0 0; } .number small { font-size: 15px; font-weight: 400; }
.warn { border-left: 4px solid #B4500B; padding-left: 10px; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 400; }
td, th { padding: 3px 8px 3px 0; vertical-align: top; border-bottom: 1px solid #E9EDF2; }
thead th { color: #566173; font-size: 13px; } th[scope=rowgroup] { padding-top: 12px; font-weight: 600; }
.track { position: relative; height: 14px; min-width: 160px; border-left: 1px solid #C3CBD6; }
.track i { position: absolute; top: 1px; bottom: 1px; } .zero { position: absolute; left: 50%; top: 0; bottom: 0;
  border-left: 1px solid #8B96A5; } .right { text-align: right; white-space: nowrap; }
.mark { font-weight: 600; } .blank { color: #566173; } figure { margin: 8px 16px 8px 0; display: inline-block;
  max-width: 46%; vertical-align: top; } figure img { max-width: 100%; display: block; background: #000; }
dl { display: grid; grid-template-columns: 150px 1fr; gap: 4px 12px; margin: 0; } dt { color: #566173; }
dd { margin: 0; } code { font: 13px ui-monospace, "DejaVu Sans Mono", monospace; } ul { margin: 6px 0; }
footer { border-top: 1px solid #C3CBD6; margin-top: 24px; padding-top: 8px; }
@media print { body { padding: 0; } h2, figure, tr { break-inside: avoid; } }
"""


def write_case_html(case: CaseFile) -> str:
    """Write the page; every text is escaped, control and direction characters show as question marks.

    Returns
    -------
    str
        A complete HTML document, about 10 kB plus its pictures.
    """
    parts = [
        f'<p class="quiet">Medcore · case file · {_say(words.write_time(case.made_at))}{_say(_beside(case))}</p>',
        f"<h1>{_say(case.title)}</h1>",
        f'<p class="who"><bdi>{_say(words.write_patient_line(case))}</bdi></p>',
        _list(case.notices, "quiet"),
        _write_result(case),
        _write_film(case),
        _write_bars(case),
        _section("Reader", _paragraphs(words.write_reader_lines(case))),
        _section("Operating point", _paragraphs([words.write_point(case)])),
        _write_inputs(case.inputs),
        _write_model(case),
        _section("Not assessed by the model", _paragraphs([", ".join(case.not_assessed)])) if case.not_assessed else "",
        f"<footer><p><strong>{escape(NOTICE)}</strong> Outcome: {_say(case.outcome)}.</p>"
        f'<p class="quiet"><code>{_say(words.write_hash_line(case))}</code></p></footer>',
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
        f"<title>{_say(case.title)}: case file</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(part for part in parts if part)}</main></body></html>\n"
    )


def _say(text: str) -> str:
    return escape(words.show_text(text))


def _bold(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", _say(text))


def _beside(case: CaseFile) -> str:
    assessed = f" · assessed {words.write_time(case.assessed_at)}" if case.assessed_at else ""
    return f"{assessed} · {case.site}" if case.site else assessed


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _paragraphs(lines: Iterable[str]) -> str:
    return "".join(f"<p><bdi>{_say(line)}</bdi></p>" for line in lines)


def _list(texts: Iterable[str], kind: str = "") -> str:
    items = "".join(f"<li>{_bold(text)}</li>" for text in texts)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def _write_result(case: CaseFile) -> str:
    risk = case.risk
    parts = [
        f'<p><span class="state">{STATES[risk.state]}</span> '
        f'<span class="quiet">{_say(words.write_state_line(risk))}</span></p>',
        _list(risk.reasons),
    ]
    if risk.p is not None:
        kind = f"{100 * risk.level:g} % {risk.interval_kind}"
        number = f"{escape(words.write_percent(risk.p))} <small>range {escape(words.write_range(risk))}</small>"
        parts.append(f'<p class="number">{number}</p><p class="quiet">{_say(kind)}</p>')
    parts.append(f"<p>{_bold(risk.sentence)}</p>" if risk.sentence else "")
    parts.append(f'<p class="warn">{_say(risk.caution)}</p>' if risk.caution else "")
    parts += [f"<p>Please check: {_say(question)}</p>" for question in risk.questions]
    shares = ", ".join(f"{name} {words.write_percent(share)}" for name, share in risk.classes)
    parts.append(f'<p class="quiet">If the film is positive: {_say(shares)}</p>' if shares else "")
    return f'<section class="result" aria-label="Result">{"".join(parts)}</section>'


def _write_film(case: CaseFile) -> str:
    film = case.film
    if film is None:
        return ""
    facts = words.write_film_line(film)
    problem = f"<p>{_say(film.map_problem)}</p>" if film.map_problem else ""
    pictures = "".join(_write_picture(picture) for picture in film.pictures)
    return _section("Film", f"<p>{_say(facts)}</p>{pictures}{problem}")


def _write_picture(picture: CasePicture) -> str:
    data = base64.b64encode(picture.png).decode()
    return (
        f'<figure><img alt="{_say(picture.title)}" src="data:image/png;base64,{data}">'
        f'<figcaption class="quiet">{_say(picture.title)}. {_say(picture.caption)}</figcaption></figure>'
    )


def _write_bars(case: CaseFile) -> str:
    title = "What moved this estimate away from the average"
    if case.bars is None:
        return _section(title, _paragraphs([case.bars_problem])) if case.bars_problem else ""
    bars = case.bars
    scale = max([2.0, abs(bars.others), *(abs(bar.points) for bar in bars.bars)])
    rows = [_write_bar(bar.label, bar.value, bar.points, scale, bar.note) for bar in bars.bars]
    if bars.n_others:
        rows.append(_write_bar(f"{bars.n_others} others", "together", bars.others, scale, ""))
    head = '<thead><tr><th scope="col">Field</th><th scope="col">Value</th><th scope="col">lowers | raises</th>'
    table = f'<table>{head}<th scope="col" class="right">points</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return _section(f"{title} ({words.write_moved(bars)})", f'{table}<p class="quiet">{escape(_BARS_CAPTION)}</p>')


def _write_bar(label: str, value: str, points: float, scale: float, note: str) -> str:
    width = 50 * abs(points) / scale
    left = 50.0 if points >= 0 else 50 - width
    color = _RAISES if points >= 0 else _LOWERS
    more = f'<br><span class="quiet">{_say(note)}</span>' if note else ""
    return (
        f'<tr><th scope="row">{_say(label)}{more}</th><td>{_say(value)}</td><td><div class="track" aria-hidden="true">'
        f'<i style="left:{left:.1f}%;width:{width:.1f}%;background:{color}"></i><span class="zero"></span></div></td>'
        f'<td class="right">{escape(words.write_points(points))}</td></tr>'
    )


def _write_inputs(inputs: tuple[CaseInput, ...]) -> str:
    if not inputs:
        return ""
    bodies = []
    for group, items in groupby(inputs, key=lambda item: item.group):
        rows = "".join(_write_input(item) for item in items)
        bodies.append(f'<tbody><tr><th scope="rowgroup" colspan="2">{_say(group)}</th></tr>{rows}</tbody>')
    legend = '<p class="quiet">L, H: below or above the usual range. A blank means not known.</p>'
    return _section("What was entered", f"<table>{''.join(bodies)}</table>{legend}")


def _write_input(item: CaseInput) -> str:
    kind = ' class="blank"' if item.value is None else ' class="mark"' if item.mark else ""
    return f'<tr><th scope="row">{_say(item.label)}</th><td{kind}>{_say(item.text)}</td></tr>'


def _write_model(case: CaseFile) -> str:
    rows = "".join(
        f"<dt>{_say(name)}</dt><dd>{f'<code>{_say(text)}</code>' if name == 'SHA-256' else _say(text)}</dd>"
        for name, text in words.write_model_lines(case)
    )
    return _section("Model facts", f"<dl>{rows}</dl>")

"""The pictures of the board paper: decision curve, calibration, 100 people, subgroups."""

from __future__ import annotations

import math
from collections.abc import Sequence

from medcore.figures.forest import choose_ticks
from medcore.reports.ink import ACCENT, GREY, INK, LINE, PLAIN, QUIET, SOFT, STYLES, WARM, Axes, Pen
from medcore.reports.paper_facts import BoardPaper, PaperGroup

__all__ = ["ROW_HEIGHT", "count_people", "draw_calibration", "draw_decision", "draw_groups", "draw_people", "percent"]

ROW_HEIGHT = 12.0
_BAND = "#D6E4F2"
_LABEL_GAP = 9.0
_HISTOGRAM_SHARE = 0.2


def percent(p: float) -> str:
    """Write a share as a per cent with at most one decimal: ``"9.1 %"``, ``"10 %"``."""
    return f"{100 * p:.1f}".removesuffix(".0") + " %"


def draw_decision(pen: Pen, paper: BoardPaper, left: float, bottom: float, width: float, height: float) -> None:
    """Draw net benefit per 1,000 against the cut-off, with calling all and calling none, and the chosen cut-off."""
    x_hi = _risk_end(paper)
    best = max((value for model in paper.models for value in model.decision.y if math.isfinite(value)), default=0.0)
    top = max(best, 1000 * paper.prevalence) * 1.05
    axes = Axes(
        left=left, bottom=bottom, width=width - 70, height=height, x_lo=0.0, x_hi=x_hi, y_lo=-0.12 * top, y_hi=top
    )
    axes.frame(pen, "cut-off on the estimated risk", "net cases found per 1,000 patients")
    cuts = [x_hi * k / 200 for k in range(200)]
    everyone = [1000 * (paper.prevalence - (1 - paper.prevalence) * t / (1 - t)) for t in cuts]
    shown = [(t, value) for t, value in zip(cuts, everyone, strict=True) if value >= axes.y_lo]
    pen.line(axes.points([t for t, _ in shown], [value for _, value in shown]), color=GREY, width=0.9)
    pen.line([axes.at(0.0, 0.0), axes.at(x_hi, 0.0)], color=GREY, width=0.9)
    first = paper.models[0].decision
    axes.band(pen, first.x, first.lo, first.hi, _BAND)
    labels = [(axes.at(x_hi, 0.0)[1], "call nobody", GREY)]
    for model, (color, dash) in zip(paper.models, STYLES, strict=False):
        pen.line(axes.points(model.decision.x, model.decision.y), color=color, width=1.1, dash=dash)
        labels.append((axes.at(x_hi, _value_near(model.decision.x, model.decision.y, x_hi))[1], model.title, color))
    if shown:
        t, value = shown[-1]
        place = axes.at(t, value)
        pen.text(place[0] + 3, place[1] + 3, "call everybody", size=7, color=QUIET)
    _draw_cut_off(pen, axes, paper.cut_off)
    names = _shorten([text for _, text, _ in labels])
    for y, (_, text, color) in zip(_spread([label[0] for label in labels]), sorted(labels), strict=True):
        pen.text(axes.left + axes.width + 4, y - 2.5, names[text], size=6.5, color=QUIET if color == GREY else color)


def draw_calibration(pen: Pen, paper: BoardPaper, left: float, bottom: float, width: float, height: float) -> None:
    """Draw observed against predicted risk of the proposed model, with its band, tenths and a histogram below."""
    low = height * _HISTOGRAM_SHARE
    end = _calibration_end(paper)
    axes = Axes(
        left=left,
        bottom=bottom + low + 6,
        width=width,
        height=height - low - 6,
        x_lo=0.0,
        x_hi=end,
        y_lo=0.0,
        y_hi=end,
    )
    foot = Axes(left=left, bottom=bottom, width=width, height=low, x_lo=0.0, x_hi=end, y_lo=0.0, y_hi=1.0)
    curve = paper.calibration
    for tick in choose_ticks(0.0, end):
        x, y = axes.at(tick, tick)
        pen.line([(axes.left, y), (axes.left + width, y)], color=SOFT, width=0.4)
        pen.text_right(axes.left - 3, y - 2.5, f"{100 * tick:g} %", size=7, color=QUIET)
        pen.text_centre(x, bottom - 9, f"{100 * tick:g} %", size=7, color=QUIET)
    pen.text(left - 26, axes.bottom + axes.height + 5, "observed share with the outcome", size=7.5, color=QUIET)
    pen.text_centre(left + width / 2, bottom - 19, "estimated risk (bars: patients)", size=7.5, color=QUIET)
    axes.band(pen, curve.x, curve.lo, curve.hi, _BAND)
    pen.line([axes.at(0.0, 0.0), axes.at(end, end)], color=GREY, width=0.7, dash=(2, 2))
    pen.line(axes.points(curve.x, curve.y), color=ACCENT, width=1.2)
    for mean_p, observed, lo, hi in paper.bins:
        if axes.holds(mean_p, min(observed, end)):
            pen.line([axes.at(mean_p, lo), axes.at(mean_p, hi)], color=INK, width=0.6)
            pen.dot(*axes.at(mean_p, observed), 1.7, INK)
    _draw_histogram(pen, foot, paper)
    _draw_cut_off(pen, foot, paper.cut_off, words=False)
    _draw_cut_off(pen, axes, paper.cut_off, words=False)


def count_people(paper: BoardPaper) -> tuple[int, int, int, int]:
    """Return found, missed, false alarms and others among 100 people, as whole numbers that add up to 100."""
    model = paper.models[0]
    shares = [max(0.0, item.value) / 10 for item in (model.found, model.missed, model.false_alarms)]
    whole = [int(share) for share in (*shares, 100 - sum(shares))]
    rests = [share - int(share) for share in (*shares, 100 - sum(shares))]
    for k in sorted(range(4), key=lambda i: -rests[i])[: 100 - sum(whole)]:
        whole[k] += 1
    return whole[0], whole[1], whole[2], whole[3]


def draw_people(pen: Pen, paper: BoardPaper, left: float, top: float, width: float) -> float:
    """Draw 100 people as squares in two rows with their key; return the y below."""
    counts = count_people(paper)
    side = width / 50
    looks = ((ACCENT, ""), ("#FFFFFF", ACCENT), (WARM, ""), (SOFT, ""))
    kinds = [kind for kind, count in enumerate(counts) for _ in range(count)]
    for place, kind in enumerate(kinds):
        fill, edge = looks[kind]
        x, y = left + (place % 50) * side, top - (place // 50 + 1) * side
        pen.box(x + 0.8, y + 0.8, side - 1.6, side - 1.6, fill=fill, edge=edge)
    y = top - 2 * side - 11
    x = left
    words = ("with the outcome, found", "with the outcome, missed", "false alarm", "rightly left alone")
    for (fill, edge), count, word in zip(looks, counts, words, strict=True):
        pen.box(x, y, 7, 7, fill=fill, edge=edge or (LINE if fill == SOFT else ""))
        text = f"{count} {word}{'s' if word.endswith('alarm') and count != 1 else ''}"
        pen.text(x + 11, y + 0.5, text, size=8)
        x += 24 + pen.canvas.stringWidth(text, PLAIN, 8)
    return y - 4


def draw_groups(
    pen: Pen, groups: Sequence[PaperGroup], left: float, top: float, width: float, *, heads: bool = True
) -> float:
    """Draw one row a group: counts, AUROC drawn and written, sensitivity and specificity; return the y below."""
    columns = (left, left + 158, left + 192, left + 226, left + 366, left + 446, left + width)
    known = [v for g in groups if not g.grey for v in (g.auroc.lo, g.auroc.hi, g.auroc.value) if math.isfinite(v)]
    lo, hi = (min(known), max(known)) if known else (0.5, 1.0)
    pad = max(0.05 * (hi - lo), 0.005)
    axes = Axes(
        left=columns[3] + 4,
        bottom=top - ROW_HEIGHT * (len(groups) + 1),
        width=70,
        height=ROW_HEIGHT * len(groups),
        x_lo=lo - pad,
        x_hi=min(hi + pad, 1.0),
        y_lo=0.0,
        y_hi=1.0,
    )
    y = top
    if heads:
        y -= ROW_HEIGHT
        for x, text in zip((columns[1], columns[2]), ("patients", "outcome"), strict=True):
            pen.text_right(x + 26, y + 3, text, size=7, color=QUIET)
        for x, text in zip(
            (columns[3] + 4, columns[4], columns[5]),
            ("AUROC, 95 % interval", "sensitivity", "specificity"),
            strict=True,
        ):
            pen.text(x, y + 3, text, size=7, color=QUIET)
        pen.line([(left, y), (left + width, y)], color=LINE, width=0.5)
    attribute = ""
    for group in groups:
        y -= ROW_HEIGHT
        _draw_group(pen, group, columns, y + 3, axes, show_attribute=group.attribute != attribute)
        attribute = group.attribute
    return y


def _draw_group(
    pen: Pen, group: PaperGroup, columns: Sequence[float], y: float, axes: Axes, *, show_attribute: bool
) -> None:
    color = GREY if group.grey else INK
    if show_attribute:
        pen.text(columns[0], y, group.attribute[:18], size=7.5, color=QUIET)
    pen.text(columns[0] + 62, y, group.group[:28], size=7.5, color=color)
    pen.text_right(columns[1] + 26, y, f"{group.n:,}", size=7.5, color=color)
    pen.text_right(columns[2] + 26, y, f"{group.n_events:,}", size=7.5, color=color)
    if group.grey:
        pen.text(columns[3] + 4, y, group.grey, size=7.5, color=QUIET)
        return
    auroc = group.auroc
    if math.isfinite(auroc.lo) and math.isfinite(auroc.hi):
        pen.line([(axes.at(auroc.lo, 0)[0], y + 2.5), (axes.at(auroc.hi, 0)[0], y + 2.5)], color=INK, width=0.9)
    if math.isfinite(auroc.value):
        pen.dot(axes.at(auroc.value, 0)[0], y + 2.5, 1.8, INK)
        pen.text(axes.left + axes.width + 6, y, f"{auroc.value:.3f}", size=7.5)
    for x, figure in ((columns[4], group.sensitivity), (columns[5], group.specificity)):
        pen.text(x, y, _write_share(figure.value, figure.lo, figure.hi), size=7.5)


def _write_share(value: float, lo: float, hi: float) -> str:
    if not math.isfinite(value):
        return "not known"
    text = f"{100 * value:.0f} %"
    return f"{text} ({100 * lo:.0f}–{100 * hi:.0f})" if math.isfinite(lo) and math.isfinite(hi) else text


def _draw_cut_off(pen: Pen, axes: Axes, cut_off: float, *, words: bool = True) -> None:
    if not axes.x_lo <= cut_off <= axes.x_hi:
        return
    x = axes.at(cut_off, axes.y_lo)[0]
    pen.line([(x, axes.bottom), (x, axes.bottom + axes.height)], color=INK, width=0.6, dash=(1, 2))
    if words:
        pen.text(x + 3, axes.bottom + axes.height - 7, f"cut-off {percent(cut_off)}", size=7)


def _draw_histogram(pen: Pen, foot: Axes, paper: BoardPaper) -> None:
    """Draw patients per bin, root scale: in rare diseases most patients lie in the lowest bins."""
    most = max(paper.histogram, default=0.0)
    edges = paper.histogram_edges
    if most > 0:
        for lo, hi, count in zip(edges[:-1], edges[1:], paper.histogram, strict=True):
            if count > 0 and lo < foot.x_hi:
                x0, x1 = foot.at(lo, 0)[0], foot.at(hi, 0)[0]
                height = foot.height * math.sqrt(count / most)
                pen.box(x0 + 0.2, foot.bottom, max(x1 - x0 - 0.4, 0.3), height, fill=LINE)
    pen.line([(foot.left, foot.bottom), (foot.left + foot.width, foot.bottom)], color=QUIET, width=0.6)


def _shorten(names: Sequence[str]) -> dict[str, str]:
    """Leave out what stands in brackets, unless two names would then be the same."""
    short = [name.split(" (")[0] for name in names]
    return {name: (brief if short.count(brief) == 1 else name)[:24] for name, brief in zip(names, short, strict=True)}


def _spread(places: Sequence[float]) -> list[float]:
    """Move labels upwards until none touches the one below; in rising order."""
    found: list[float] = []
    for place in sorted(places):
        found.append(place if not found else max(place, found[-1] + _LABEL_GAP))
    return found


def _value_near(x: Sequence[float], y: Sequence[float], at: float) -> float:
    known = [b for a, b in zip(x, y, strict=True) if a <= at and math.isfinite(b)]
    return known[-1] if known else 0.0


def _risk_end(paper: BoardPaper) -> float:
    """Where the decision curve stops: past the cut-off, and past 99 of 100 patients' risks."""
    total, seen, end = sum(paper.histogram), 0.0, 1.0
    for hi, count in zip(paper.histogram_edges[1:], paper.histogram, strict=True):
        seen += count
        if total and seen >= 0.99 * total:
            end = hi
            break
    return min(0.99, max(end, 1.6 * paper.cut_off, 0.05))


def _calibration_end(paper: BoardPaper) -> float:
    highest = [*(b[3] for b in paper.bins), *(b[0] for b in paper.bins), 1.3 * paper.cut_off]
    return min(1.0, max([0.05, *(1.1 * value for value in highest if math.isfinite(value))]))

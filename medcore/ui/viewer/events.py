"""What the reader did in the viewer that the page has to know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["PixelRequest", "ViewerEvents", "merge_events", "parse_event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerEvents:
    """Keys pressed since the last run of the page; each is reported once.

    Attributes
    ----------
    film_id : str
        The film that was on the screen when the keys were pressed; empty when nothing happened.
    reading : int or None
        1-4, the reader's own reading.
    verdict : str or None
        ``"agree"`` or ``"override"``.
    step : int
        1 = next film, -1 = previous, 0 = stay.
    wants_heat : bool
        The reader held H and the film has no heat map yet.
    seq : int
        Rises with every key; 0 when nothing happened.
    """

    film_id: str = ""
    reading: int | None = None
    verdict: str | None = None
    step: int = 0
    wants_heat: bool = False
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelRequest:
    """The browser misses pixels: ``kind`` is ``"film"`` or ``"tensor"``."""

    film_id: str
    kind: str
    seq: int


_FIELDS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "reading": ("reading", (1, 2, 3, 4)),
    "verdict": ("verdict", ("agree", "override")),
    "step": ("step", (-1, 1)),
    "heat": ("wants_heat", (True,)),
    "need": ("kind", ("film", "tensor")),
}


def parse_event(sent: object) -> ViewerEvents | PixelRequest | None:
    """Return one event as the browser sent it; None for anything but the events it may send."""
    if not isinstance(sent, dict) or sent.get("name") not in _FIELDS:
        return None
    field, allowed = _FIELDS[sent["name"]]
    film_id, seq, value = sent.get("film_id"), sent.get("seq"), sent.get("value")
    known = next((one for one in allowed if type(one) is type(value) and one == value), None)
    if known is None or not isinstance(film_id, str) or not film_id or type(seq) is not int or seq < 1:
        return None
    if field == "kind":
        return PixelRequest(film_id=film_id, kind=known, seq=seq)
    return replace(ViewerEvents(film_id=film_id, seq=seq), **{field: known})


def merge_events(events: Iterable[ViewerEvents]) -> ViewerEvents:
    """Return events of one run as one: those on the newest event's film, a later value replacing an earlier one.

    >>> merge_events([ViewerEvents(film_id="a", reading=2, seq=1), ViewerEvents(film_id="a", step=1, seq=2)])
    ViewerEvents(film_id='a', reading=2, verdict=None, step=1, wants_heat=False, seq=2)
    """
    merged = ViewerEvents()
    for event in sorted(events, key=lambda one: one.seq):
        base = merged if merged.film_id == event.film_id else ViewerEvents()
        merged = ViewerEvents(
            film_id=event.film_id,
            reading=event.reading or base.reading,
            verdict=event.verdict or base.verdict,
            step=event.step or base.step,
            wants_heat=event.wants_heat or base.wants_heat,
            seq=event.seq,
        )
    return merged

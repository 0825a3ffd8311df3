"""Who asks: the name by which requests take turns, and how to notice that the asker has moved on.

The interface says once how the asker of the running thread is found (:func:`use_finder`); everything below it asks
:func:`find_asker`. Names are opaque: they are compared, never shown or logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

__all__ = ["Asker", "asking", "background", "carry", "find_asker", "use_finder"]


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who waits for an answer.

    Attributes
    ----------
    name : str
        The same for all requests of one session; requests without a name share one turn.
    moved_on : callable
        Whether the answer is not wanted any more; asked a few times a second while it is awaited.
    background : bool
        Whether nobody is looking at the clock: the answer may wait for everything else.
    """

    name: str = ""
    moved_on: Callable[[], bool] = _never
    background: bool = False


_NOBODY = Asker()
_asker: ContextVar[Asker | None] = ContextVar("medcore_asker", default=None)
_finders: list[Callable[[], Asker | None]] = []


def use_finder(find: Callable[[], Asker | None] | None) -> None:
    """Say how the asker of the running thread is found; None forgets it."""
    _finders[:] = [] if find is None else [find]


def find_asker() -> Asker:
    """Return who asks in this thread: as :func:`asking` said, else as the finder says, else nobody."""
    asker = _asker.get()
    if asker is None and _finders:
        asker = _finders[0]()
    return asker or _NOBODY


@contextmanager
def asking(asker: Asker) -> Iterator[None]:
    """Ask in somebody's name within this block."""
    token = _asker.set(asker)
    try:
        yield
    finally:
        _asker.reset(token)


@contextmanager
def background() -> Iterator[None]:
    """Ask within this block for something that may wait for everything else.

    Examples
    --------
    >>> with asking(Asker(name="a")), background():
    ...     find_asker().background
    True
    """
    with asking(replace(find_asker(), background=True)):
        yield


def carry(call: Callable[[], None]) -> Callable[[], None]:
    """Return ``call`` for another thread, which then asks in the name of this one and outlives its page."""
    asker = replace(find_asker(), moved_on=_never)

    def run() -> None:
        with asking(asker):
            call()

    return run

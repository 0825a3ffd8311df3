"""How the access room tells the journal what happened. An event that cannot be written denies the action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from medcore.journal import Event

__all__ = ["Recorder", "Trail"]


class Recorder(Protocol):
    """What is needed of the journal."""

    def record(self, event: Event) -> int:
        """Write one event durably; raises StorageError if it cannot."""
        ...


class Trail:
    """Writes who did what to which account. Holds no address, no password and no name nobody has here."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def note(self, actor: str, action: str, outcome: str = "done", *, about: str = "") -> None:
        """Write one event.

        Parameters
        ----------
        actor : str
            Who; ``unknown`` where nobody was recognised (a mistyped name is often a password).
        action, outcome : str
            Short stable words.
        about : str, optional
            What was acted on, ``account:<id>`` or ``session:<id>``, where it is not the actor's own.

        Raises
        ------
        StorageError
            It could not be written.
        """
        from medcore.journal import Event

        self._recorder.record(Event(actor=actor, action=action, outcome=outcome, target=about, n_records=0))

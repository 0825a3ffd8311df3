"""How the access room tells the journal what happened. An event that cannot be written denies the action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypedDict

from medcore.access.roles import Actor

if TYPE_CHECKING:
    from medcore.journal import Event, Who

__all__ = ["ActorFacts", "Recorder", "Trail", "describe_actor", "who_is"]


class ActorFacts(TypedDict):
    """What an event says of who acted."""

    actor: str
    role: str
    session: str


def describe_actor(actor: Actor) -> ActorFacts:
    """Return what an event says of who acted: name, roles, public number of the session.

    Examples
    --------
    >>> describe_actor(Actor(name="account:ada", roles={"analyst"}, session_id="7f"))
    {'actor': 'account:ada', 'role': 'analyst', 'session': '7f'}
    """
    return {"actor": actor.name, "role": actor.role, "session": actor.session_id}


def who_is(actor: Actor) -> Who:
    """Return the same for what the journal keeps beside events."""
    from medcore.journal import Who

    return Who(**describe_actor(actor))


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

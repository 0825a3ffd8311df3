"""What the tests of the access room share: a small cost of hashing, a clock to turn, a site to enter."""

from dataclasses import dataclass, field

from medcore.access import Actor, Role
from medcore.access.passwords import HashCost

CHEAP = HashCost(memory_kib=1024, passes=1, lanes=1)


class TurnedClock:
    def __init__(self, now_s=1_800_000_000.0):
        self.now_s = now_s

    def __call__(self):
        return self.now_s

    def turn(self, seconds):
        self.now_s += seconds


@dataclass
class Site:
    access: object
    journal: object
    clock: TurnedClock
    folder: object
    administrator: Actor = field(default_factory=lambda: Actor(name="local:test", roles={Role.ADMINISTRATOR}))

    @property
    def accounts(self):
        return self.access.accounts

    @property
    def sessions(self):
        return self.access.sessions

    def add(self, name="ada", roles=(Role.CLINICIAN,), password="three quiet herons at dawn"):
        """Make an account with a password of its own; returns its facts."""
        once = self.accounts.create(self.administrator, name, roles)
        token = self.sessions.start(self.accounts.sign_in(name, once.password))
        self.accounts.change_password(self.sessions.check(token), once.password, password)
        self.sessions.end(token)
        return self.accounts.find(self.administrator, name)

    def enter(self, name="ada", password="three quiet herons at dawn"):
        """Sign in; returns the token."""
        return self.sessions.start(self.accounts.sign_in(name, password))

    def events(self):
        """Return (actor, action, outcome), oldest first."""
        return [(item.actor, item.action, item.outcome) for item in reversed(self.journal.events(1000))]

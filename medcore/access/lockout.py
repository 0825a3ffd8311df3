"""Lock-out with exponential back-off, per user name and per address.

An attempt is counted before it is checked, in one transaction, so that a thousand attempts at once,
from any number of processes, are no way around it. Names that do not exist are counted like others.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from medcore.access.clock import Clock
from medcore.access.records import AccountStore, Attempts
from medcore.errors import LockedOutError

__all__ = ["BackOff", "LockOut"]

_FORGET_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """From attempt number ``free`` on, each is followed by a wait that doubles from ``first_s`` to ``longest_s``."""

    free: int
    first_s: float
    longest_s: float

    def wait_s(self, count: int) -> float:
        """Return the wait after the attempt of that number, seconds.

        Examples
        --------
        >>> [BackOff(free=5, first_s=30, longest_s=900).wait_s(count) for count in (4, 5, 6, 7, 99)]
        [0.0, 30.0, 60.0, 120.0, 900.0]
        """
        if count < self.free:
            return 0.0
        return float(min(self.longest_s, self.first_s * 2.0 ** min(count - self.free, 60)))


NAME = BackOff(free=5, first_s=30.0, longest_s=900.0)
ADDRESS = BackOff(free=30, first_s=60.0, longest_s=3600.0)


class LockOut:
    """Counts attempts in a store.

    The longest wait for a name is a quarter of an hour, so that nobody can keep somebody else out for long.
    The machine's own addresses are not counted: they are the command line, or a proxy that hides the others.
    """

    def __init__(self, store: AccountStore, clock: Clock, *, name: BackOff = NAME, address: BackOff = ADDRESS) -> None:
        self._store = store
        self._clock = clock
        self._name = name
        self._address = address

    def count(self, name: str, address: str = "") -> None:
        """Count one attempt, or refuse it.

        Raises
        ------
        LockedOutError
            The name or the address has to wait; ``value`` is how long, seconds.
        """
        with self._store.writing():
            now_s = self._clock()
            self._store.forget_attempts(now_s - _FORGET_S)
            keys = self._keys(name, address)
            left_s = max(_left_s(self._store.read_attempts(key), now_s) for key, _ in keys)
            if left_s > 0:
                raise LockedOutError(
                    f"Too many wrong attempts. Wait {_in_words(left_s)} and try again.", value=round(left_s)
                )
            for key, back_off in keys:
                number = self._store.read_attempts(key).count + 1
                self._store.write_attempts(key, Attempts(count=number, last_s=now_s, wait_s=back_off.wait_s(number)))

    def forgive(self, name: str, address: str = "") -> None:
        """Take back what was counted: all of a name that signed in, one attempt of its address."""
        with self._store.writing():
            (key, _), *rest = self._keys(name, address)
            self._store.write_attempts(key, Attempts())
            for other, _ in rest:
                past = self._store.read_attempts(other)
                self._store.write_attempts(other, Attempts(count=past.count - 1, last_s=past.last_s, wait_s=0.0))

    def _keys(self, name: str, address: str) -> list[tuple[str, BackOff]]:
        keys = [(self._store.blind(f"name {name}"), self._name)]
        network = _find_network(address)
        if network:
            keys.append((self._store.blind(f"address {network}"), self._address))
        return keys


def _left_s(attempts: Attempts, now_s: float) -> float:
    """Return how long to wait; never longer than the wait itself, even if the clock was set back."""
    return min(attempts.wait_s, attempts.last_s + attempts.wait_s - now_s)


def _find_network(address: str) -> str:
    """Return the address, of IPv6 the /64 (one household has as many addresses as it likes); empty if not counted."""
    try:
        found = ipaddress.ip_address(address.strip())
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if found.is_loopback:
        return ""
    prefix = 32 if found.version == 4 else 64
    return str(ipaddress.ip_network((str(found).partition("%")[0], prefix), strict=False))


def _in_words(seconds: float) -> str:
    minutes = int(-(-seconds // 60))
    return f"{int(-(-seconds // 1))} seconds" if seconds < 60 else f"{minutes} minute{'s' if minutes > 1 else ''}"

"""Requests that wait: several lanes, and in each lane the askers take turns."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from medcore.workers.wire import Answer

__all__ = ["FairQueue", "Job", "Request"]


class Request(Future[Answer]):
    """The answer to come. ``cancel()`` withdraws it while it waits, :meth:`withdraw` also while it is worked on."""

    def __init__(self) -> None:
        super().__init__()
        self.stop: Callable[[], None] | None = None

    def withdraw(self) -> None:
        """Give the answer up; whoever is working on it is told to stop at the next occasion."""
        if not self.cancel() and self.stop is not None:
            self.stop()


@dataclass(slots=True, kw_only=True)
class Job:
    """One request on its way.

    ``number`` names it in messages; ``begun`` is True once it has been handed to a child, ``retried`` once it has
    been put back because that child was ended for another job's sake.
    """

    number: int
    message: Sequence[bytes]
    timeout_s: float
    lane: int = 0
    asker: str = ""
    begun: bool = False
    retried: bool = False
    future: Request = field(default_factory=Request)

    def begin(self) -> bool:
        """Whether somebody still wants the answer; from here on it cannot be cancelled."""
        if self.begun:
            return True
        self.begun = self.future.set_running_or_notify_cancel()
        return self.begun


class FairQueue:
    """Jobs by lane, in each lane by asker; askers take turns, one job each. Whoever owns it holds the lock.

    Parameters
    ----------
    lanes : int
        How many there are.
    """

    def __init__(self, lanes: int) -> None:
        self._lanes: list[OrderedDict[str, deque[Job]]] = [OrderedDict() for _ in range(lanes)]

    def __len__(self) -> int:
        return sum(len(jobs) for lane in self._lanes for jobs in lane.values())

    def count(self, asker: str) -> int:
        """How many jobs of one asker wait, in all lanes."""
        return sum(len(lane[asker]) for lane in self._lanes if asker in lane)

    def put(self, job: Job, *, first: bool = False) -> None:
        """Add a job behind those of its asker; ``first`` puts it before everything in its lane."""
        lane = self._lanes[job.lane]
        jobs = lane.setdefault(job.asker, deque())
        if first:
            jobs.appendleft(job)
            lane.move_to_end(job.asker, last=False)
        else:
            jobs.append(job)

    def take(self, lane: int) -> Job | None:
        """Return the next job of a lane and send its asker to the end of the row; None when nothing waits."""
        row = self._lanes[lane]
        if not row:
            return None
        asker, jobs = next(iter(row.items()))
        job = jobs.popleft()
        if jobs:
            row.move_to_end(asker)
        else:
            del row[asker]
        return job

    def waits(self, lane: int) -> bool:
        """Whether anything waits in a lane."""
        return bool(self._lanes[lane])

    def sweep(self) -> None:
        """Forget jobs that were cancelled while they waited."""
        for job in self.drain():
            if not job.future.cancelled():
                self.put(job)

    def drain(self) -> list[Job]:
        """Take everything out, in the order in which it would have come."""
        jobs = []
        for lane in range(len(self._lanes)):
            while (job := self.take(lane)) is not None:
                jobs.append(job)
        return jobs

"""The parent's side: one helper process and the queue in front of it."""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as WaitTimeoutError

from medcore.errors import BusyError, MedcoreError, MovedOnError, WorkerError
from medcore.workers.asking import find_asker
from medcore.workers.fair_queue import FairQueue, Job, Request
from medcore.workers.process import Child, InnocentError
from medcore.workers.wire import Answer, Limits, pack

__all__ = ["Worker"]

_IDLE_CHECK_S = 0.5
_MOVED_ON_CHECK_S = 0.05
_CLOSE_GRACE_S = 2.0
_BACKOFF_FIRST_S = 0.1
_BACKOFF_LONGEST_S = 30.0
_BACKOFF_UNASKED = 10

_log = logging.getLogger(__name__)


class Worker:
    """One helper process and the queue in front of it. All methods may be called from any thread.

    Parameters
    ----------
    handler : str
        ``"package.module:factory"``; imported in the child only.
    name : str
        What the helper is called in messages, in lower case: ``"model process"``.
    options : mapping, optional
        Plain JSON types, handed to the factory as keyword arguments.
    limits : Limits, optional
        Bounds on the child.
    environ : mapping of str to str, optional
        Environment variables of the child, on top of this process's own.

    Examples
    --------
    >>> worker = Worker("medcore.workers:echo_factory", name="echo")
    >>> worker.request("say", {"word": "yes"})
    ({'op': 'say', 'word': 'yes'}, [])
    >>> worker.close()
    """

    def __init__(
        self,
        handler: str,
        *,
        name: str = "helper process",
        options: Mapping[str, object] | None = None,
        limits: Limits | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.limits = limits or Limits()
        self._handler = handler
        self._options = dict(options or {})
        self._environ = dict(environ or {})
        self._changed = threading.Condition()
        self._waiting = FairQueue(self.limits.lanes)
        self._numbers = itertools.count(1)
        self._work_s = 1.0
        self._ready: Child | None = None
        self._child: Child | None = None
        self._closing = False
        self._thread: threading.Thread | None = None
        self._failure: MedcoreError | None = None

    def start(self) -> None:
        """Start the child without waiting for it; later calls do nothing."""
        with self._changed:
            if self._closing:
                raise WorkerError(f"the {self.name} has been closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._supervise, name=f"medcore {self.name}", daemon=True)
                self._thread.start()

    def ready(self) -> bool:
        """Whether the child has finished starting and is alive."""
        child = self._ready
        return child is not None and child.alive()

    def wait_ready(self, timeout_s: float) -> bool:
        """Start if needed, wait up to ``timeout_s`` seconds, and return :meth:`ready`."""
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self.ready(), timeout_s)
        return self.ready()

    @property
    def failure(self) -> MedcoreError | None:
        """Why the last start failed; None after a good one and before the first has ended."""
        return self._failure

    @property
    def pid(self) -> int | None:
        """Process id of the present child, None when there is none."""
        child = self._child
        return child.process.pid if child is not None and child.alive() else None

    def submit(
        self,
        op: str,
        payload: Mapping[str, object] | None = None,
        blobs: Sequence[bytes] = (),
        *,
        timeout_s: float | None = None,
        lane: int = 0,
    ) -> Request:
        """Queue a request of the present asker and return at once.

        ``cancel()`` on the result withdraws it while it waits, ``withdraw()`` also while it is worked on. Work in a
        higher ``lane`` gives way to work in a lower one.

        Raises
        ------
        BusyError
            The queue is full, or the asker's share of it; nothing was queued.
        WorkerError
            The worker has been closed, or the request is not plain JSON types.
        """
        self.start()
        number = next(self._numbers)
        lane = min(lane, self.limits.lanes - 1)
        header = {"op": op, "payload": dict(payload or {}), "number": number, "lane": lane}
        try:
            message = pack(header, blobs)
        except (TypeError, ValueError) as error:
            raise WorkerError(f"a request to the {self.name} must hold plain JSON types only") from error
        job = Job(
            number=number,
            message=message,
            timeout_s=timeout_s or self.limits.request_s,
            lane=lane,
            asker=find_asker().name,
        )
        with self._changed:
            if self._closing:
                raise WorkerError(f"the {self.name} has been closed")
            self._make_room(job)
            self._waiting.put(job)
            self._changed.notify_all()
        return job.future

    def _make_room(self, job: Job) -> None:
        """Refuse a job when too many wait, in all or of one asker; the lock is held."""
        if self._has_room(job):
            return
        self._waiting.sweep()
        if not self._has_room(job):
            n = len(self._waiting)
            wait_s = max(1.0, n * self._work_s)
            raise BusyError(
                f"The {self.name} has too much waiting: {n} request{'s' if n > 1 else ''}. "
                f"Try again in about {wait_s:.0f} s."
            )

    def _has_room(self, job: Job) -> bool:
        share = self.limits.share
        if len(self._waiting) >= self.limits.queue_size:
            return False
        return share is None or not job.asker or self._waiting.count(job.asker) < share

    def request(
        self,
        op: str,
        payload: Mapping[str, object] | None = None,
        blobs: Sequence[bytes] = (),
        *,
        timeout_s: float | None = None,
        wait_s: float | None = None,
        lane: int = 0,
    ) -> Answer:
        """Ask and wait for the answer, or until the asker has moved on.

        ``timeout_s`` bounds the work itself (the child is killed when it takes longer), ``wait_s``
        the time in the queue, including a start of the child; defaults come from the limits.

        Raises
        ------
        MovedOnError
            The present asker does not want the answer any more.
        WorkerTimeoutError, WorkerDiedError, BusyError, WorkerError
            The child took too long, ended, had no room or time, or failed.
        MedcoreError
            Whatever the handler raised, as the same class.
        """
        future = self.submit(op, payload, blobs, timeout_s=timeout_s, lane=lane)
        wait_s = self.limits.start_s + self.limits.request_s if wait_s is None else wait_s
        try:
            return self._wait(future, wait_s)
        except WaitTimeoutError:
            if future.cancel():
                raise BusyError(f"The {self.name} did not get to this in {wait_s:g} s. Try again.") from None
            return self._wait(future, math.inf)

    def _wait(self, future: Request, wait_s: float) -> Answer:
        """Wait for an answer and look now and then whether it is still wanted."""
        moved_on = find_asker().moved_on
        end = time.monotonic() + wait_s
        while True:
            left_s = end - time.monotonic()
            try:
                return future.result(timeout=max(0.0, min(_MOVED_ON_CHECK_S, left_s)))
            except WaitTimeoutError:
                if future.done():
                    continue
                if moved_on():
                    future.withdraw()
                    raise MovedOnError("This was given up: nobody waits for the answer any more.") from None
                if left_s <= 0.0:
                    raise

    def close(self) -> None:
        """End the child and refuse everything that still waits. Later calls do nothing."""
        with self._changed:
            self._closing = True
            waiting = self._waiting.drain()
            thread, child = self._thread, self._child
            self._changed.notify_all()
        _fail(waiting, WorkerError(f"the {self.name} has been closed"))
        if child is not None:
            child.end()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSE_GRACE_S)

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _supervise(self) -> None:
        failures = 0
        while self._pause(failures):
            try:
                child = self._launch()
            except MedcoreError as error:
                failures += 1
                self._failure = error
                self._refuse_waiting(error)
                continue
            self._failure = None
            answered = self._serve(child)
            failures = 0 if answered else failures + 1

    def _pause(self, failures: int) -> bool:
        """Back off after failures, longer while nobody asks; return False when closing."""
        if failures:
            delay_s = min(_BACKOFF_FIRST_S * 2 ** min(failures - 1, 16), _BACKOFF_LONGEST_S)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, delay_s)
                self._changed.wait_for(lambda: self._closing or self._waiting, _BACKOFF_UNASKED * delay_s)
        return not self._closing

    def _launch(self) -> Child:
        child = Child(self.name, self._handler, self._environ, self.limits)
        with self._changed:
            self._child = child
            closing = self._closing
        try:
            if closing:
                raise WorkerError(f"the {self.name} has been closed")
            child.greet(self._options)
        except MedcoreError as error:
            child.kill()
            _log.warning("%s did not start: %s", self.name, type(error).__name__)
            raise
        with self._changed:
            self._ready = child
            self._changed.notify_all()
        return child

    def _serve(self, child: Child) -> int:
        """Answer requests until the child is gone or the worker closes; return how many were answered."""
        others = [
            threading.Thread(target=self._serve_lane, args=(child, lane), name=f"medcore {self.name} lane {lane}")
            for lane in range(1, self.limits.lanes)
        ]
        for thread in others:
            thread.daemon = True
            thread.start()
        try:
            self._serve_lane(child, 0)
        finally:
            with self._changed:
                self._ready = None
                self._changed.notify_all()
            child.kill()
            for thread in others:
                thread.join()
        return child.answered

    def _serve_lane(self, child: Child, lane: int) -> None:
        while (job := self._next_job(child, lane)) is not None:
            begun = time.monotonic()
            try:
                child.answer(job)
            except InnocentError as error:
                self._ask_again(job, error)
                return
            except MedcoreError as error:
                if not self._closing:
                    _log.warning("%s stopped: %s", self.name, type(error).__name__)
                with self._changed:
                    self._changed.notify_all()
                return
            self._work_s += 0.1 * (time.monotonic() - begun - self._work_s)
            if child.answered == self.limits.recycle_after:
                return

    def _ask_again(self, job: Job, error: MedcoreError) -> None:
        """Put a request back that lost its child to another one, once."""
        with self._changed:
            again = not self._closing and not job.retried
            if again:
                job.retried = True
                self._waiting.put(job, first=True)
        if not again:
            job.future.set_exception(error)

    def _next_job(self, child: Child, lane: int) -> Job | None:
        while not self._closing and child.alive():
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or not child.alive() or self._waiting.waits(lane), _IDLE_CHECK_S
                )
                job = self._waiting.take(lane) if child.alive() and not self._closing else None
            if job is not None and job.begin():
                return job
        return None

    def _refuse_waiting(self, error: MedcoreError) -> None:
        with self._changed:
            waiting = self._waiting.drain()
        _fail(waiting, error)


def _fail(jobs: Sequence[Job], error: MedcoreError) -> None:
    for job in jobs:
        if job.begin():
            job.future.set_exception(error)

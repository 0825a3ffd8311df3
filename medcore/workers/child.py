"""The child's side: read the setup, build the handler, work on one request in each lane until the input closes."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from medcore.errors import MedcoreError, MovedOnError
from medcore.workers.wire import Answer, Handler, Wire, describe_error, pack

__all__ = ["checkpoint", "echo_factory", "gives_way", "main"]

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "500"
_LONGEST_WAY_S = 0.5


def echo_factory(**options: object) -> Handler:
    """Make the simplest handler there is: it gives back what it was told."""

    def handle(op: str, payload: dict[str, object], blobs: list[bytes]) -> Answer:
        return {"op": op, **options, **payload}, blobs

    return handle


def main(arguments: Sequence[str]) -> NoReturn:
    """Run as a child: read the setup, build the handler, answer until the input closes."""
    wire = _take_over_pipes()
    try:
        setup, _ = wire.receive()
        cpu_s = _limit_self(setup)
        handle = _build_handler(arguments[0], setup["options"])
    except EOFError:
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - the parent must hear of everything
        _report(error)
        wire.send(pack({"error": describe_error(error)}))
        os._exit(1)
    wire.send(pack({"ready": True}))
    lanes = _Lanes(setup["lanes"] if isinstance(setup["lanes"], int) else 1)
    threading.Thread(target=_read_messages, args=(wire, lanes), daemon=True).start()
    for lane in range(1, lanes.n):
        threading.Thread(target=_work, args=(wire, handle, lanes, lane, None), daemon=True).start()
    _work(wire, handle, lanes, 0, cpu_s if lanes.n == 1 else None)


def checkpoint() -> None:
    """Let requests of lower lanes go first, and leave this one if its asker has moved on.

    Long work calls this between its parts; a part should take some hundredths of a second. Outside a child it does
    nothing.

    Raises
    ------
    MovedOnError
        Nobody waits for this any more.
    """
    turn: _Turn | None = getattr(_here, "turn", None)
    if turn is not None:
        turn.pause()


def gives_way() -> bool:
    """Whether work in this thread shares a child with work that goes first: then its parts should be small."""
    turn: _Turn | None = getattr(_here, "turn", None)
    return turn is not None and turn.lane > 0


_here = threading.local()


@dataclass(slots=True, kw_only=True, eq=False)
class _Turn:
    """One request in the child."""

    number: object
    lane: int
    lanes: _Lanes
    header: Mapping[str, object]
    blobs: list[bytes]
    stopped: bool = False

    def pause(self) -> None:
        self._leave_if_stopped()
        if self.lane:
            self.lanes.give_way(self.lane, _LONGEST_WAY_S)
            self._leave_if_stopped()

    def _leave_if_stopped(self) -> None:
        if self.stopped:
            raise MovedOnError("This was given up: nobody waits for the answer any more.")


class _Lanes:
    """The requests in this child, by lane; a lane is busy while one of its requests waits or is worked on."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._changed = threading.Condition()
        self._busy = [0] * n
        self._waiting: list[queue.SimpleQueue[_Turn]] = [queue.SimpleQueue() for _ in range(n)]
        self._turns: dict[object, _Turn] = {}

    def arrive(self, header: Mapping[str, object], blobs: list[bytes]) -> None:
        """Put a request into its lane, or stop the one that the message names."""
        if "stop" in header:
            turn = self._turns.get(header["stop"])
            if turn is not None:
                turn.stopped = True
            return
        asked = header.get("lane")
        lane = min(asked, self.n - 1) if isinstance(asked, int) and asked > 0 else 0
        turn = _Turn(number=header.get("number"), lane=lane, lanes=self, header=header, blobs=blobs)
        self._turns[turn.number] = turn
        with self._changed:
            self._busy[lane] += 1
        self._waiting[lane].put(turn)

    def take(self, lane: int) -> _Turn:
        """Wait for the next request of a lane."""
        return self._waiting[lane].get()

    def finish(self, turn: _Turn) -> None:
        """Note that a request has been answered."""
        self._turns.pop(turn.number, None)
        with self._changed:
            self._busy[turn.lane] -= 1
            self._changed.notify_all()

    def give_way(self, lane: int, longest_s: float) -> None:
        """Wait while a lower lane is busy, but not forever: somebody waits here too."""
        if any(self._busy[:lane]):
            with self._changed:
                self._changed.wait_for(lambda: not any(self._busy[:lane]), longest_s)


def _work(wire: Wire, handle: Handler, lanes: _Lanes, lane: int, cpu_s: int | None) -> NoReturn:
    while True:
        turn = lanes.take(lane)
        _here.turn = turn
        try:
            _answer_one(wire, handle, turn, cpu_s)
        finally:
            lanes.finish(turn)


def _take_over_pipes() -> Wire:
    """Keep the pipes for ourselves and point the usual descriptors elsewhere, so that prints do no harm."""
    wire = Wire(os.dup(0), os.dup(1), sys.maxsize)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wire


def _limit_self(setup: Mapping[str, object]) -> int | None:
    memory, cpu_s, niceness = setup["memory_bytes"], setup["cpu_s"], setup["niceness"]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    if os.getppid() != setup["parent"]:
        raise EOFError("the parent is gone")
    if isinstance(niceness, int) and niceness:
        os.nice(niceness)
    if isinstance(memory, int):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return cpu_s if isinstance(cpu_s, int) else None


def _build_handler(name: str, options: object) -> Handler:
    module_name, _, factory_name = name.partition(":")
    factory = getattr(importlib.import_module(module_name), factory_name)
    if not isinstance(options, dict):
        raise EOFError("not a message")
    handler: Handler = factory(**options)
    return handler


def _read_messages(wire: Wire, lanes: _Lanes) -> None:
    """Wait for messages beside the work, so that a parent's end is noticed in the middle of it."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            lanes.arrive(*wire.receive())
    os._exit(0)


def _answer_one(wire: Wire, handle: Handler, turn: _Turn, cpu_s: int | None) -> None:
    if cpu_s is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + cpu_s + 1, hard))
    try:
        payload, out = handle(str(turn.header["op"]), turn.header["payload"], turn.blobs)  # type: ignore[arg-type]
        wire.send(pack({"number": turn.number, "payload": payload}, out))
    except BaseException as error:  # noqa: BLE001 - panics in compiled code are not Exceptions
        leaving = not isinstance(error, Exception) or isinstance(error, MemoryError)
        if not isinstance(error, MedcoreError):
            _report(error)
        wire.send(pack({"number": turn.number, "error": describe_error(error), "leaving": leaving}))
        if leaving:
            os._exit(1)


def _report(error: BaseException) -> None:
    """Say on standard error what failed and where, never with which values."""
    frame, place = error.__traceback__, "unknown place"
    while frame is not None:
        place = f"{frame.tb_frame.f_globals.get('__name__')}.{frame.tb_frame.f_code.co_name}"
        frame = frame.tb_next
    with contextlib.suppress(OSError, ValueError):
        print(f"{type(error).__name__} in {place}", file=sys.stderr, flush=True)  # noqa: T201 - drained by the parent

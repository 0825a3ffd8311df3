"""Supervised helper processes: limits, time-outs, restarts and typed errors over two pipes.

A :class:`Worker` owns one child, a fresh interpreter that runs ``python -m medcore.workers
package.module:factory``. The factory is called once as ``factory(**options)`` and returns
``handle(op, payload, blobs) -> (payload, blobs)``, which is then called once per request.
Requests wait in a bounded queue and are answered one after the other.

A message is a length, a JSON header and raw bytes; nothing is ever unpickled, in either
direction. Whatever happens in the child (an exception, a panic in a decoder, a kill by the
kernel, an endless loop), the caller gets one subclass of ``MedcoreError`` and the next request
finds a working child. Nothing but the standard library and medcore's errors is imported here.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib
import json
import logging
import os
import queue
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeoutError
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from medcore import errors
from medcore.errors import BusyError, MedcoreError, WorkerDiedError, WorkerError, WorkerTimeoutError

__all__ = ["Answer", "Handler", "Limits", "Worker"]

Answer = tuple[dict[str, object], list[bytes]]
Handler = Callable[[str, dict[str, object], list[bytes]], Answer]

_LENGTH = struct.Struct(">I")
_MAX_HEADER_BYTES = 64 * 1024 * 1024
_PIPE_BYTES = 1 << 20
_IDLE_CHECK_S = 0.5
_CLOSE_GRACE_S = 2.0
_BACKOFF_FIRST_S = 0.1
_BACKOFF_LONGEST_S = 30.0
_BACKOFF_UNASKED = 10
_LOG_LINES_PER_CHILD = 200
_LOG_LINE_LENGTH = 300
_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "500"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a child may use.

    ``memory_bytes`` bounds the child's address space and ``cpu_s`` the processor time of one
    request (None = no bound); ``niceness`` is added to the child's own. ``request_s`` is the
    longest one request may run, ``start_s`` the longest a start may take, both in wall-clock
    seconds; ``queue_size`` the most requests that may wait; ``answer_bytes`` the largest answer.
    After ``recycle_after`` requests a fresh child takes over (None = never).
    """

    memory_bytes: int | None = None
    cpu_s: int | None = None
    niceness: int = 0
    request_s: float = 60.0
    start_s: float = 180.0
    queue_size: int = 64
    answer_bytes: int = 512 * 1024 * 1024
    recycle_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    message: Sequence[bytes]
    timeout_s: float
    future: Future[Answer] = field(default_factory=Future)


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
        self._waiting: deque[_Job] = deque()
        self._ready: _Child | None = None
        self._child: _Child | None = None
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
    ) -> Future[Answer]:
        """Queue a request and return at once. ``cancel()`` on the result withdraws it while it waits.

        Raises
        ------
        BusyError
            The queue is full; nothing was queued.
        WorkerError
            The worker has been closed, or the request is not plain JSON types.
        """
        self.start()
        try:
            message = _pack({"op": op, "payload": dict(payload or {})}, blobs)
        except (TypeError, ValueError) as error:
            raise WorkerError(f"a request to the {self.name} must hold plain JSON types only") from error
        job = _Job(message=message, timeout_s=timeout_s or self.limits.request_s)
        with self._changed:
            if self._closing:
                raise WorkerError(f"the {self.name} has been closed")
            if len(self._waiting) >= self.limits.queue_size:
                self._waiting = deque(waiting for waiting in self._waiting if not waiting.future.cancelled())
            if len(self._waiting) >= self.limits.queue_size:
                raise BusyError(f"The {self.name} has too much waiting. Try again in a moment.")
            self._waiting.append(job)
            self._changed.notify_all()
        return job.future

    def request(
        self,
        op: str,
        payload: Mapping[str, object] | None = None,
        blobs: Sequence[bytes] = (),
        *,
        timeout_s: float | None = None,
        wait_s: float | None = None,
    ) -> Answer:
        """Ask and wait for the answer.

        ``timeout_s`` bounds the work itself (the child is killed when it takes longer), ``wait_s``
        the time in the queue, including a start of the child; defaults come from the limits.

        Raises
        ------
        WorkerTimeoutError, WorkerDiedError, BusyError, WorkerError
            The child took too long, ended, had no room or time, or failed.
        MedcoreError
            Whatever the handler raised, as the same class.
        """
        future = self.submit(op, payload, blobs, timeout_s=timeout_s)
        wait_s = self.limits.start_s + self.limits.request_s if wait_s is None else wait_s
        try:
            return future.result(timeout=wait_s)
        except WaitTimeoutError:
            if future.cancel():
                raise BusyError(f"The {self.name} did not get to this in {wait_s:g} s. Try again.") from None
            return future.result()

    def close(self) -> None:
        """End the child and refuse everything that still waits. Later calls do nothing."""
        with self._changed:
            self._closing = True
            waiting, self._waiting = list(self._waiting), deque()
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

    def _launch(self) -> _Child:
        child = _Child(self.name, self._handler, self._environ, self.limits)
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

    def _serve(self, child: _Child) -> int:
        """Answer requests until the child is gone or the worker closes; return how many were answered."""
        answered = 0
        try:
            while (job := self._next_job(child)) is not None:
                child.answer(job)
                answered += 1
                if not child.alive() or answered == self.limits.recycle_after:
                    break
        except MedcoreError as error:
            _log.warning("%s stopped: %s", self.name, type(error).__name__)
        finally:
            with self._changed:
                self._ready = None
            child.kill()
        return answered

    def _next_job(self, child: _Child) -> _Job | None:
        while not self._closing:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._waiting, _IDLE_CHECK_S)
                job = self._waiting.popleft() if self._waiting and child.alive() else None
            if job is not None and job.future.set_running_or_notify_cancel():
                return job
            if not child.alive():
                return None
        return None

    def _refuse_waiting(self, error: MedcoreError) -> None:
        with self._changed:
            waiting, self._waiting = list(self._waiting), deque()
        _fail(waiting, error)


def _fail(jobs: Sequence[_Job], error: MedcoreError) -> None:
    for job in jobs:
        if job.future.set_running_or_notify_cancel():
            job.future.set_exception(error)


class _Child:
    """One child process as its parent sees it."""

    def __init__(self, name: str, handler: str, environ: Mapping[str, str], limits: Limits) -> None:
        self._name = name
        self._limits = limits
        root = str(Path(__file__).resolve().parent.parent)
        variables = {**os.environ, **environ}
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (variables.get("PYTHONPATH"), root)))
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "medcore.workers", handler],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=variables,
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerDiedError(f"The {name} could not be started ({error.strerror}).") from error
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._wire = _Wire(self.process.stdout.fileno(), self.process.stdin.fileno(), limits.answer_bytes)
        for pipe in (self.process.stdin, self.process.stdout):
            os.set_blocking(pipe.fileno(), False)
            _widen(pipe.fileno())
        self._kill_lock = threading.Lock()
        self._killed = False
        threading.Thread(target=self._drain_log, name=f"medcore {name} log", daemon=True).start()

    def alive(self) -> bool:
        return not self._killed and self.process.poll() is None

    def greet(self, options: Mapping[str, object]) -> None:
        """Send the setup and wait until the child's factory has finished."""
        deadline = time.monotonic() + self._limits.start_s
        setup = {
            "memory_bytes": self._limits.memory_bytes,
            "cpu_s": self._limits.cpu_s,
            "niceness": self._limits.niceness,
            "parent": os.getpid(),
            "options": dict(options),
        }
        header, _ = self._exchange(_pack(setup), deadline, f"start within {self._limits.start_s:g} s")
        if "error" in header:
            raise _rebuild_error(header["error"])

    def answer(self, job: _Job) -> None:
        """Carry out one request and settle its future.

        Raises
        ------
        WorkerError
            The child is no longer usable; the future has been told.
        """
        deadline = time.monotonic() + job.timeout_s
        try:
            header, blobs = self._exchange(job.message, deadline, f"answer within {job.timeout_s:g} s")
        except WorkerError as error:
            self.kill()
            job.future.set_exception(error)
            raise
        if header.get("leaving"):
            self.end()
        if "error" in header:
            job.future.set_exception(_rebuild_error(header["error"]))
            return
        payload = header.get("payload")
        job.future.set_result((payload if isinstance(payload, dict) else {}, blobs))

    def _exchange(
        self, message: Sequence[bytes], deadline: float, promise: str
    ) -> tuple[dict[str, object], list[bytes]]:
        try:
            self._wire.send(message, deadline)
            return self._wire.receive(deadline)
        except TimeoutError as error:
            self.kill()
            raise WorkerTimeoutError(f"The {self._name} did not {promise} and was stopped. Try again.") from error
        except (OSError, EOFError) as error:
            self.kill()
            raise WorkerDiedError(
                f"The {self._name} ended before it answered ({self._ending()}). Try again."
            ) from error

    def _ending(self) -> str:
        code = self.process.returncode
        if code is None or code >= 0:
            return f"exit status {code}"
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
        return f"signal {-code}"

    def end(self) -> None:
        """Ask the child to leave by closing its input, and kill it if it stays."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_CLOSE_GRACE_S)
        self.kill()

    def kill(self) -> None:
        """Make sure that the child and whatever it started are gone, and release the pipes."""
        with self._kill_lock:
            if self._killed:
                return
            if self.process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(0.05 if self._hung_up() else 0.0)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self._killed = True
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _hung_up(self) -> bool:
        """Whether the child has closed its end: it is about to end by itself and has a status to tell."""
        if self.process.stdout is None or self.process.stdout.closed:
            return True
        poller = select.poll()
        poller.register(self.process.stdout.fileno(), select.POLLIN)
        return any(event & select.POLLHUP for _, event in poller.poll(0))

    def _drain_log(self) -> None:
        """Copy the child's chatter to the log, with everything that could be a value masked."""
        stream = self.process.stderr
        if stream is None:
            return
        count = 0
        with stream, contextlib.suppress(OSError, ValueError):
            while chunk := stream.readline(64 * 1024):
                count += 1
                if count <= _LOG_LINES_PER_CHILD:
                    _log.info("%s: %s", self._name, mask_values(chunk.decode("utf-8", "replace").rstrip()))
        if count > _LOG_LINES_PER_CHILD:
            _log.info("%s: %d more lines not logged", self._name, count - _LOG_LINES_PER_CHILD)


def mask_values(line: str) -> str:
    """Replace numbers and quoted text in a line, so that no patient's value reaches a log.

    Examples
    --------
    >>> mask_values("sodium 128.5 of 'Jane Roe' at line 7")
    'sodium # of … at line #'
    """
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "…", line)
    return re.sub(r"\d+(?:[.,:]\d+)*", "#", unquoted)[:_LOG_LINE_LENGTH]


def _pack(header: Mapping[str, object], blobs: Sequence[bytes] = ()) -> list[bytes]:
    text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    return [_LENGTH.pack(len(text)) + text, *blobs]


class _Wire:
    """Messages over a pair of pipe ends: header length, JSON header, raw blobs."""

    def __init__(self, read_fd: int, write_fd: int, max_blob_bytes: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._max_blob_bytes = max_blob_bytes

    def send(self, message: Sequence[bytes], deadline: float | None = None) -> None:
        """Write one packed message.

        Raises
        ------
        TimeoutError, OSError
            The deadline passed or the other side is gone.
        """
        for part in message:
            rest = memoryview(part)
            while rest:
                _await(self._write_fd, select.POLLOUT, deadline)
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self._write_fd, rest[: 1 << 20]) :]

    def receive(self, deadline: float | None = None) -> tuple[dict[str, object], list[bytes]]:
        """Read one message.

        Raises
        ------
        EOFError
            The other side is gone or does not speak this protocol.
        TimeoutError
            The deadline passed.
        """
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        if length > _MAX_HEADER_BYTES:
            raise EOFError("not a message")
        try:
            header = json.loads(self._read(length, deadline))
            sizes = [int(size) for size in header["blobs"]]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise EOFError("not a message") from error
        if any(size < 0 for size in sizes) or sum(sizes) > self._max_blob_bytes:
            raise EOFError("message too large")
        return header, [self._read(size, deadline) for size in sizes]

    def _read(self, size: int, deadline: float | None) -> bytes:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            _await(self._read_fd, select.POLLIN, deadline)
            try:
                count = os.readv(self._read_fd, [view])
            except BlockingIOError:
                continue
            if not count:
                raise EOFError("the other side is gone")
            view = view[count:]
        return bytes(data)


def _widen(fd: int) -> None:
    """Let a pipe hold more than its usual 64 KB, so that a film crosses it in a few turns instead of a hundred."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _await(fd: int, event: int, deadline: float | None) -> None:
    if deadline is None:
        return
    poller = select.poll()
    poller.register(fd, event)
    if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError


def _describe_error(error: BaseException) -> dict[str, object]:
    if not isinstance(error, MedcoreError):
        return {"kind": "WorkerError", "message": f"The request failed in the helper process ({type(error).__name__})."}
    known = next(base.__name__ for base in type(error).__mro__ if base.__name__ in errors.__all__)
    plain = error.value is None or isinstance(error.value, str | int | float | bool)
    return {
        "kind": known,
        "message": error.message,
        "field": error.field,
        "value": error.value if plain else str(error.value),
        "expected": error.expected,
    }


def _rebuild_error(description: object) -> MedcoreError:
    if not isinstance(description, dict) or description.get("kind") not in errors.__all__:
        return WorkerError("the helper process failed in an unknown way")
    kind: type[MedcoreError] = getattr(errors, description["kind"])
    return kind(
        str(description.get("message")),
        field=description.get("field"),
        value=description.get("value"),
        expected=description.get("expected"),
    )


# The child's side.


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
        wire.send(_pack({"error": _describe_error(error)}))
        os._exit(1)
    wire.send(_pack({"ready": True}))
    messages: queue.SimpleQueue[tuple[dict[str, object], list[bytes]]] = queue.SimpleQueue()
    threading.Thread(target=_read_messages, args=(wire, messages), daemon=True).start()
    while True:
        _answer_one(wire, handle, messages.get(), cpu_s)


def _take_over_pipes() -> _Wire:
    """Keep the pipes for ourselves and point the usual descriptors elsewhere, so that prints do no harm."""
    wire = _Wire(os.dup(0), os.dup(1), sys.maxsize)
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


def _read_messages(wire: _Wire, messages: queue.SimpleQueue[tuple[dict[str, object], list[bytes]]]) -> None:
    """Wait for messages beside the work, so that a parent's end is noticed in the middle of it."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            messages.put(wire.receive())
    os._exit(0)


def _answer_one(
    wire: _Wire, handle: Handler, message: tuple[dict[str, object], list[bytes]], cpu_s: int | None
) -> None:
    header, blobs = message
    if cpu_s is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + cpu_s + 1, hard))
    try:
        payload, out = handle(str(header["op"]), header["payload"], blobs)  # type: ignore[arg-type]
        wire.send(_pack({"payload": payload}, out))
    except BaseException as error:  # noqa: BLE001 - panics in compiled code are not Exceptions
        leaving = not isinstance(error, Exception) or isinstance(error, MemoryError)
        if not isinstance(error, MedcoreError):
            _report(error)
        wire.send(_pack({"error": _describe_error(error), "leaving": leaving}))
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


if __name__ == "__main__":
    # The handler and the errors it raises must come from the importable module, not from __main__.
    importlib.import_module("medcore.workers").main(sys.argv[1:])

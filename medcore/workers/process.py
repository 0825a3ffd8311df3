"""One child process as its parent sees it."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from pathlib import Path

from medcore.errors import WorkerDiedError, WorkerError, WorkerTimeoutError
from medcore.workers.fair_queue import Job
from medcore.workers.wire import Answer, Limits, Wire, mask_values, pack, rebuild_error, widen

__all__ = ["Child", "InnocentError"]

_CLOSE_GRACE_S = 2.0
_STOP_GRACE_S = 2.0
_LOG_LINES_PER_CHILD = 200

_log = logging.getLogger(__name__)

_Reply = Future[tuple[dict[str, object], list[bytes]]]


class InnocentError(WorkerError):
    """The child was ended because of another request than this one."""


class Child:
    """One child process: started, greeted, asked, and killed when it does not keep to its limits."""

    def __init__(self, name: str, handler: str, environ: Mapping[str, str], limits: Limits) -> None:
        self._name = name
        self._limits = limits
        root = str(Path(__file__).resolve().parent.parent.parent)
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
        self._gone = threading.Event()
        pipes = self.process.stdout.fileno(), self.process.stdin.fileno()
        self._wire = Wire(*pipes, limits.answer_bytes, self._gone)
        for pipe in pipes:
            os.set_blocking(pipe, False)
            widen(pipe)
        self._kill_lock = threading.Lock()
        self._replies: dict[int, _Reply] = {}
        self._receiver: threading.Thread | None = None
        self._cut_off = False
        self._culprit: int | None = None
        self.answered = 0
        threading.Thread(target=self._drain_log, name=f"medcore {name} log", daemon=True).start()

    def alive(self) -> bool:
        """Whether the child can be asked."""
        return not self._gone.is_set() and self.process.poll() is None

    def greet(self, options: Mapping[str, object]) -> None:
        """Send the setup and wait until the child's factory has finished."""
        deadline = time.monotonic() + self._limits.start_s
        setup = {
            "memory_bytes": self._limits.memory_bytes,
            "cpu_s": self._limits.cpu_s,
            "niceness": self._limits.niceness,
            "lanes": self._limits.lanes,
            "parent": os.getpid(),
            "options": dict(options),
        }
        try:
            self._wire.send(pack(setup), deadline)
            header, _ = self._wire.receive(deadline)
        except TimeoutError as error:
            self.kill()
            raise self._late(f"start within {self._limits.start_s:g} s") from error
        except (OSError, EOFError) as error:
            self.kill()
            raise self._died() from error
        if "error" in header:
            raise rebuild_error(header["error"])
        self._receiver = threading.Thread(target=self._receive, name=f"medcore {self._name} answers", daemon=True)
        self._receiver.start()

    def answer(self, job: Job) -> None:
        """Carry out one request and settle its future.

        Raises
        ------
        InnocentError
            The child was ended because of another request; the future has not been told.
        WorkerError
            The child is no longer usable; the future has been told.
        """
        reply: _Reply = Future()
        self._replies[job.number] = reply
        if self._cut_off:
            self._break_off()
        job.future.stop = lambda: self._tell_to_stop(job.number)
        try:
            header, blobs = self._exchange(job, reply)
        except InnocentError:
            raise
        except WorkerError as error:
            job.future.set_exception(error)
            raise
        finally:
            job.future.stop = None
            self._replies.pop(job.number, None)
        self.answered += 1
        if header.get("leaving"):
            self._culprit = job.number
            self.end()
        if "error" in header:
            job.future.set_exception(rebuild_error(header["error"]))
            return
        payload = header.get("payload")
        job.future.set_result((payload if isinstance(payload, dict) else {}, blobs))

    def _exchange(self, job: Job, reply: _Reply) -> Answer:
        deadline = time.monotonic() + job.timeout_s
        promise = f"answer within {job.timeout_s:g} s"
        try:
            self._wire.send(job.message, deadline)
            return reply.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            if self._leaves(job, reply):
                return {"error": {"kind": "WorkerTimeoutError", "message": self._late(promise).message}}, []
            self._culprit = job.number
            self.kill()
            raise self._late(promise) from error
        except (OSError, EOFError) as error:
            self.kill()
            if self._culprit not in {None, job.number}:
                raise InnocentError("ended because of another request") from error
            raise self._died() from error

    def _leaves(self, job: Job, reply: _Reply) -> bool:
        """Ask the child to leave the request, where that spares the others a restart; whether it did."""
        if self._limits.lanes == 1:
            return False
        self._tell_to_stop(job.number)
        try:
            reply.result(_STOP_GRACE_S)
        except (TimeoutError, EOFError):
            return False
        return True

    def _tell_to_stop(self, number: int) -> None:
        with contextlib.suppress(OSError):  # TimeoutError is one too: whoever waits for the child sees what is wrong
            self._wire.send(pack({"stop": number}), time.monotonic() + _STOP_GRACE_S)

    def _receive(self) -> None:
        """Hand out answers until the child is gone."""
        with contextlib.suppress(OSError, EOFError, ValueError):
            while True:
                header, blobs = self._wire.receive()
                reply = self._replies.get(header.get("number"))  # type: ignore[call-overload]
                if reply is not None:
                    with contextlib.suppress(InvalidStateError):
                        reply.set_result((header, blobs))
        self._break_off()

    def _break_off(self) -> None:
        """Tell all who wait that there will be no answer."""
        self._cut_off = True
        for reply in list(self._replies.values()):
            with contextlib.suppress(InvalidStateError):
                reply.set_exception(EOFError("the other side is gone"))

    def _late(self, promise: str) -> WorkerTimeoutError:
        return WorkerTimeoutError(f"The {self._name} did not {promise} and was stopped. Try again.")

    def _died(self) -> WorkerDiedError:
        return WorkerDiedError(f"The {self._name} ended before it answered ({self._ending()}). Try again.")

    def _ending(self) -> str:
        code = self.process.returncode
        if code is None or code >= 0:
            return f"exit status {code}"
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
        return f"signal {-code}"

    def end(self) -> None:
        """Ask the child to leave by closing its input, and kill it if it stays."""
        self._close_input()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_CLOSE_GRACE_S)
        self.kill()

    def kill(self) -> None:
        """Make sure that the child and whatever it started are gone, and release the pipes."""
        with self._kill_lock:
            if self._gone.is_set():
                return
            if self.process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(0.05 if self._hung_up() else 0.0)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self._gone.set()
        self._release()

    def _release(self) -> None:
        """Close the pipes once nobody uses them: their numbers may be another child's a moment later."""
        if self._receiver is not None and self._receiver is not threading.current_thread():
            self._receiver.join()
        self._break_off()
        self._close_input()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _close_input(self) -> None:
        if self.process.stdin is not None and self._wire.sending.acquire(timeout=_CLOSE_GRACE_S):
            try:
                with contextlib.suppress(OSError):
                    self.process.stdin.close()
            finally:
                self._wire.sending.release()

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

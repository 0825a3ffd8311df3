"""What both sides of a pipe share: limits, messages, errors as data, and text without values."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from medcore import errors
from medcore.errors import MedcoreError, WorkerError

__all__ = [
    "Answer",
    "Handler",
    "Limits",
    "Wire",
    "describe_error",
    "mask_values",
    "pack",
    "rebuild_error",
    "widen",
]

Answer = tuple[dict[str, object], list[bytes]]
Handler = Callable[[str, dict[str, object], list[bytes]], Answer]

_LENGTH = struct.Struct(">I")
_MAX_HEADER_BYTES = 64 * 1024 * 1024
_PIPE_BYTES = 1 << 20
_LOG_LINE_LENGTH = 300
_CLOSED_CHECK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a child may use.

    ``memory_bytes`` bounds the child's address space and ``cpu_s`` the processor time of one
    request (None = no bound); ``niceness`` is added to the child's own. ``request_s`` is the
    longest one request may run, ``start_s`` the longest a start may take, both in wall-clock
    seconds; ``queue_size`` the most requests that may wait, ``share`` the most of one asker (None = no
    bound of its own); ``answer_bytes`` the largest answer. After ``recycle_after`` requests a fresh child takes
    over (None = never). ``lanes`` is how many requests the child works on at once, one in each lane; ``cpu_s``
    needs a single lane.
    """

    memory_bytes: int | None = None
    cpu_s: int | None = None
    niceness: int = 0
    request_s: float = 60.0
    start_s: float = 180.0
    queue_size: int = 64
    share: int | None = None
    answer_bytes: int = 512 * 1024 * 1024
    recycle_after: int | None = None
    lanes: int = 1


def mask_values(line: str) -> str:
    """Replace numbers and quoted text in a line, so that no patient's value reaches a log.

    Examples
    --------
    >>> mask_values("sodium 128.5 of 'Jane Roe' at line 7")
    'sodium # of … at line #'
    """
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "…", line)
    return re.sub(r"\d+(?:[.,:]\d+)*", "#", unquoted)[:_LOG_LINE_LENGTH]


def pack(header: Mapping[str, object], blobs: Sequence[bytes] = ()) -> list[bytes]:
    """Return the parts of a message, to be written one after the other."""
    text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    return [_LENGTH.pack(len(text)) + text, *blobs]


class Wire:
    """Messages over a pair of pipe ends: header length, JSON header, raw blobs.

    Several threads may send, one may receive. ``closed`` is looked at by whoever waits without a deadline.
    """

    def __init__(self, read_fd: int, write_fd: int, max_blob_bytes: int, closed: threading.Event | None = None) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._max_blob_bytes = max_blob_bytes
        self._closed = closed
        self.sending = threading.Lock()

    def send(self, message: Sequence[bytes], deadline: float | None = None) -> None:
        """Write one packed message.

        Raises
        ------
        TimeoutError, OSError
            The deadline passed or the other side is gone.
        """
        if not self.sending.acquire(timeout=-1 if deadline is None else max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        try:
            for part in message:
                rest = memoryview(part)
                while rest:
                    self._await(self._write_fd, select.POLLOUT, deadline)
                    with contextlib.suppress(BlockingIOError):
                        rest = rest[os.write(self._write_fd, rest[: 1 << 20]) :]
        finally:
            self.sending.release()

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
            self._await(self._read_fd, select.POLLIN, deadline)
            try:
                count = os.readv(self._read_fd, [view])
            except BlockingIOError:
                continue
            if not count:
                raise EOFError("the other side is gone")
            view = view[count:]
        return bytes(data)

    def _await(self, fd: int, event: int, deadline: float | None) -> None:
        """Wait until the pipe can be used; without a deadline and a side that may close, the system does."""
        if deadline is None and self._closed is None:
            return
        poller = select.poll()
        poller.register(fd, event)
        if deadline is not None:
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            return
        while not poller.poll(_CLOSED_CHECK_S * 1000):
            if self._closed is not None and self._closed.is_set():
                raise EOFError("closed on this side")


def widen(fd: int) -> None:
    """Let a pipe hold more than its usual 64 KB, so that a film crosses it in a few turns instead of a hundred."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def describe_error(error: BaseException) -> dict[str, object]:
    """Return an error as plain JSON types; what is not ours is told by its class only."""
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


def rebuild_error(description: object) -> MedcoreError:
    """Return the error that was described."""
    if not isinstance(description, dict) or description.get("kind") not in errors.__all__:
        return WorkerError("the helper process failed in an unknown way")
    kind: type[MedcoreError] = getattr(errors, description["kind"])
    return kind(
        str(description.get("message")),
        field=description.get("field"),
        value=description.get("value"),
        expected=description.get("expected"),
    )

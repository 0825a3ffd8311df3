"""Handlers for the worker tests: each operation is one way in which a helper can behave or fail."""

import os
import signal
import subprocess
import sys
import time

from medcore.errors import MedcoreError, OutOfRangeError
from medcore.workers import checkpoint, gives_way


class _OwnError(OutOfRangeError):
    pass


class PanicException(BaseException):
    """What a Rust extension raises: not an Exception."""


def factory(fail=None, mark=None):
    if fail == "typed":
        raise MedcoreError("the factory refuses")
    if fail == "crash":
        os._exit(3)
    if fail == "slow":
        time.sleep(60)
    if fail == "first" and not os.path.exists(mark):
        with open(mark, "w"):
            pass
        os._exit(3)
    return _handle


def _noise():
    print("a library prints on stdout")
    os.write(1, b"\x00\x00\x00\x02{}")
    subprocess.run([sys.executable, "-c", "print('so does its child')"], check=True)
    sys.stdout.flush()


def _spawn():
    return {"grandchild": subprocess.Popen(["sleep", "600"]).pid}


def _work_in_parts(payload):
    """Work in parts of a hundredth of a second; ``done`` says when each ended."""
    done = []
    for _ in range(payload["parts"]):
        checkpoint()
        time.sleep(0.01)
        done.append(time.monotonic())
    return {"done": done}


def _leak(payload):
    print(f"patient 'Jane Roe' sodium {payload['x']}", file=sys.stderr, flush=True)


OPERATIONS = {
    "echo": lambda payload, blobs: (payload, blobs),
    "exit": lambda *_: os._exit(7),
    "kill": lambda *_: os.kill(os.getpid(), signal.SIGKILL),
    "sleep": lambda payload, blobs: (time.sleep(payload["s"]), ({}, []))[1],
    "parts": lambda payload, blobs: (_work_in_parts(payload), []),
    "gives way": lambda *_: ({"gives way": gives_way()}, []),
    "now": lambda payload, blobs: (time.sleep(payload["s"]), ({"now": time.monotonic()}, []))[1],
    "spin": lambda *_: [None for _ in iter(int, 1)],
    "memory": lambda payload, blobs: ({"n": len(bytearray(payload["n"]))}, []),
    "noise": lambda payload, blobs: (_noise(), ({"ok": True}, []))[1],
    "spawn": lambda payload, blobs: (_spawn(), []),
    "leak": lambda payload, blobs: (_leak(payload), ({}, []))[1],
    "garbage": lambda payload, blobs: ({"x": object()}, []),
    "shape": lambda payload, blobs: None,
    "fds": lambda payload, blobs: ({"stdin": os.read(0, 10).decode()}, []),
    "nice": lambda payload, blobs: ({"nice": os.nice(0)}, []),
}


def _handle(op, payload, blobs):
    if op == "raise":
        kind = {
            "range": OutOfRangeError,
            "own": _OwnError,
            "value": ValueError,
            "panic": PanicException,
            "exit": SystemExit,
            "interrupt": KeyboardInterrupt,
            "oserror": OSError,
            "recursion": RecursionError,
        }[payload["kind"]]
        if issubclass(kind, MedcoreError):
            raise kind("Sodium 900 mmol/L is impossible.", field="sodium", value="900", expected="80 to 220")
        raise kind("secret 4711")
    return OPERATIONS[op](payload, blobs)

"""Nothing of a patient reaches the log: not through libraries, exceptions, warnings or threads, nor a real server."""

import ast
import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_names import SEEN

from medcore.errors import OutOfRangeError
from medcore.ui import logs

ROOT = Path(__file__).resolve().parents[2]
CANARIES = ("Zebedee", "MRN-4711", "91.7342", "tok3n")


@pytest.fixture
def log():
    """What a handler at the root writes once the scrubbing stands; everything is put back afterwards."""
    import threading
    import warnings

    places = [(sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook"), (warnings, "showwarning")]
    places.append((logging, "raiseExceptions"))
    before = [(place, name, getattr(place, name)) for place, name in places]
    factory, root = logging.getLogRecordFactory(), logging.getLogger()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    root.addHandler(handler)
    logs.install()
    yield stream.getvalue
    root.removeHandler(handler)
    logging.setLogRecordFactory(factory)
    for place, name, value in before:
        setattr(place, name, value)


def fail():
    raise OutOfRangeError("sodium 91.7342 of Zebedee is impossible", field="sodium", value="91.7342")


def test_an_exception_keeps_kind_and_place_only(log):
    try:
        try:
            fail()
        except OutOfRangeError as error:
            raise RuntimeError("page of Zebedee, MRN-4711") from error
    except RuntimeError:
        logging.getLogger("streamlit.runtime").exception("Uncaught app execution")
    text = log()
    assert "Uncaught app execution" in text
    assert "RuntimeError" in text
    assert "OutOfRangeError" in text
    assert "test_logs.py" in text
    assert "in fail" in text
    assert not [canary for canary in CANARIES if canary in text]
    assert str(ROOT) not in text


def test_arguments_of_libraries_are_withheld(log):
    other = logging.getLogger("some.library")
    other.warning("could not store %s of %s (%d, %.3f)", "Zebedee", "MRN-4711", 91, 91.7342)
    other.warning("by name %(who)s", {"who": "Zebedee"})
    other.warning(f"already filled in: {CANARIES[0]}")
    other.error("a constant sentence")
    text = log()
    assert "could not store … of … (…, …)" in text
    assert "by name …" in text
    assert "a constant sentence" in text
    assert "a message from" in text
    assert not [canary for canary in CANARIES if canary in text]


def test_our_own_messages_lose_numbers_and_quotes(log):
    logging.getLogger("medcore.anything").warning("%s stopped at 'Zebedee': %s", "film reader", 91.7342)
    logging.getLogger("medcore.anything").warning("wrong %d", "Zebedee")
    logging.getLogger("medcore.anything").warning("100 % sure")
    assert "film reader stopped at …: #" in log()
    assert "# % sure" in log()
    assert not [canary for canary in CANARIES if canary in log()]


def test_warnings_and_threads_are_scrubbed_too(log, capsys):
    import threading
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logs._log_warning
        warnings.warn("value 91.7342 of Zebedee", stacklevel=1)
    thread = threading.Thread(target=fail)
    hook, threading.excepthook = threading.excepthook, logs._log_thread
    thread.start()
    thread.join()
    threading.excepthook = hook
    logs._log_uncaught(ValueError, ValueError("Zebedee"), None)
    text = log() + "".join(capsys.readouterr())
    assert "UserWarning" in text
    assert "a thread ends" in text
    assert "OutOfRangeError" in text
    assert not [canary for canary in CANARIES if canary in text]


@pytest.mark.parametrize("name", SEEN[:20])
def test_hostile_text_in_a_log_call_does_no_harm(log, name):
    logging.getLogger("some.library").warning("name %s", name)
    logging.getLogger("some.library").warning(name + "\nforged line")
    logging.getLogger("medcore.x").warning("code %s", "StorageError")
    assert "forged line" not in log()
    assert "code StorageError" in log()


SAFE = {  # what our own log calls may hand over: kinds of errors, names of processes and models, counts, masked lines
    *("error.code", "error.strerror", "type(error).__name__", "self.name", "self._name", "facts.model_id"),
    *("mask_values(chunk.decode('utf-8', 'replace').rstrip())", "count - _LOG_LINES_PER_CHILD"),
    *("category.__name__", "_shorten(filename)", "aside.name"),  # the last: a folder that we made
}


def list_log_calls():
    for path in sorted((ROOT / "medcore").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if isinstance(node.func.value, ast.Name) and node.func.value.id in {"_log", "log", "logger", "_logger"}:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_log_call_of_ours_hands_over_codes_only():
    calls = list(list_log_calls())
    assert len(calls) >= 5
    for place, call in calls:
        assert isinstance(call.args[0], ast.Constant), f"{place}: the message must be a constant"
        for argument in call.args[1:]:
            assert ast.unparse(argument) in SAFE, f"{place}: may {ast.unparse(argument)} hold a patient's value?"


PROGRAM = """
import logging, sys, threading, warnings
from medcore.ui import logs
logs.install()
logs.install()
print = None
def fail(): raise ValueError("Zebedee 91.7342")
thread = threading.Thread(target=fail); thread.start(); thread.join()
warnings.warn("MRN-4711")
class Bad:
    def __del__(self): raise ValueError("tok3n")
Bad()
try: fail()
except ValueError: logging.getLogger("streamlit").error("lost", exc_info=True)
logging.getLogger("x").warning("two %s", "Zebedee", "MRN-4711")
fail()
"""


def test_a_real_process_that_fails_in_every_way_says_nothing():
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, env=environ)
    assert run.returncode == 1
    assert "the process ends" in run.stderr
    assert "ValueError" in run.stderr
    assert not [canary for canary in CANARIES if canary in run.stdout + run.stderr]

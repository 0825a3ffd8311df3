"""The server's log without patients: what failed and where, never with which values.

Messages of libraries may quote anything: a form's value in an exception, a file's name, an address with a token. So
of them only the fixed text of the message stays, and of exceptions the kind and the places in the code. Messages of
medcore are written to hold neither names nor values (``tests/ui/test_logs.py`` lists them all); numbers and quoted text
in them are masked all the same.
"""

from __future__ import annotations

import linecache
import logging
import re
import sys
import threading
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from streamlit import config

from medcore.workers.wire import mask_values

__all__ = ["describe_exception", "install"]

_OURS = "medcore"
_GONE = "…"
_SLOT = re.compile(r"%(?:\(\w+\))?[#0\- +]*[\d*]*(?:\.[\d*]+)?[a-zA-Z]")
_LINES_AHEAD = 4
_DEEPEST = 30

_log = logging.getLogger(__name__)
_first_factory = logging.getLogRecordFactory()


def install() -> None:
    """Scrub every record, warning and uncaught exception of this process from now on; a second call does nothing."""
    if logging.getLogRecordFactory() is _make_record:
        return
    config.set_option("logger.enableRich", False)  # its tracebacks go past the logging module
    logging.raiseExceptions = False  # the report of a failed log call would hold its arguments
    logging.setLogRecordFactory(_make_record)
    warnings.showwarning = _log_warning
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable


def describe_exception(error: BaseException | None, trace: TracebackType | None = None) -> str:
    r"""Return the kinds of an exception and its causes with their places in the code: no message, no source line.

    Examples
    --------
    >>> try:
    ...     int("Zebedee")
    ... except ValueError as error:
    ...     "Zebedee" in describe_exception(error)
    False
    """
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        lines.append(f"{type(error).__module__}.{type(error).__name__}".removeprefix("builtins."))
        frames = traceback.extract_tb(trace or error.__traceback__)[-_DEEPEST:]
        lines += [f"  {_shorten(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
        error, trace = error.__cause__ or (None if error.__suppress_context__ else error.__context__), None
    return "\n".join(lines)


def _make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = _first_factory(*args, **kwargs)
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        record.exc_text = describe_exception(record.exc_info[1], record.exc_info[2])
    record.exc_info = None
    record.stack_info = None
    record.msg, record.args = _scrub(record), ()
    return record


def _scrub(record: logging.LogRecord) -> str:
    """Return what may stay of a record's message."""
    if record.name.split(".")[0] == _OURS:
        try:
            return mask_values(record.getMessage())
        except Exception:  # noqa: BLE001 - a wrong log call must not do more harm than its line
            return "a message that could not be written"
    text = str(record.msg)
    if record.args:
        return _SLOT.sub(_GONE, text)
    place = f"{_shorten(record.pathname)}:{record.lineno}"
    return text if _is_constant(text, record) else f"a message from {place}"


def _is_constant(text: str, record: logging.LogRecord) -> bool:
    """Whether a text stands word by word in the source of the call, so that nothing can have been filled in."""
    source = "".join(linecache.getline(record.pathname, record.lineno + ahead) for ahead in range(_LINES_AHEAD))
    return bool(text) and text in source


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say which kind of warning came from where; the signature is that of ``warnings.showwarning``."""
    _log.warning("%s from %s", category.__name__, _shorten(filename))


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.error("the process ends", exc_info=(kind, error, trace))


def _log_thread(facts: threading.ExceptHookArgs) -> None:
    if facts.exc_value is not None and not isinstance(facts.exc_value, SystemExit):
        _log.error("a thread ends", exc_info=(facts.exc_type, facts.exc_value, facts.exc_traceback))


def _log_unraisable(facts: Any) -> None:
    if facts.exc_value is not None:
        _log.error("an error while tidying up", exc_info=(facts.exc_type, facts.exc_value, facts.exc_traceback))


def _shorten(filename: str) -> str:
    """Return the last three parts of a path: which module, not where it is installed."""
    return "/".join(Path(filename).parts[-3:])

"""Who asks in a running page, for the queues in front of the helper processes."""

from __future__ import annotations

from functools import partial
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx

from medcore.services.gateway import Asker, find_asker

__all__ = ["find_session", "has_moved_on"]


def find_session() -> Asker | None:
    """Return the session whose page runs in this thread; None outside a page."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return None
    return Asker(name=context.session_id, moved_on=partial(has_moved_on, context))


def has_moved_on(context: Any) -> bool:
    """Whether what this page waits for is not wanted any more.

    That is so when the session has ended, when the whole page is to be drawn anew, when the same part of it is, or, for
    work in the background, when anything was touched at all. A timer is no touch. Streamlit has no public name for
    what it is asked to do next; where it cannot be read, nobody has moved on.
    """
    requests = getattr(context, "script_requests", None)
    asked = getattr(getattr(requests, "_state", None), "name", "CONTINUE")
    if asked != "RERUN":
        return bool(asked == "STOP")
    rerun = getattr(requests, "_rerun_data", None)
    if rerun is None or getattr(rerun, "is_auto_rerun", False):
        return False
    parts = getattr(rerun, "fragment_id_queue", None)
    if not parts or find_asker().background:
        return True
    return _running_part() in parts


def _running_part() -> str | None:
    try:
        from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

        return ThreadState.get().fragment_id
    except (ImportError, RuntimeError, AttributeError):
        return None

"""Supervised helper processes: limits, time-outs, restarts, fair queues and typed errors over two pipes.

A :class:`Worker` owns one child, a fresh interpreter that runs ``python -m medcore.workers
package.module:factory``. The factory is called once as ``factory(**options)`` and returns
``handle(op, payload, blobs) -> (payload, blobs)``, which is then called once per request.

Requests wait in a bounded queue. Those of several sessions take turns, so that nobody waits for all of
somebody else's. A child may work in several lanes at once, one request in each: work in a higher lane gives way to
work in a lower one wherever it calls :func:`checkpoint`. A request whose asker has moved on is withdrawn, also while it
is being worked on.

A message is a length, a JSON header and raw bytes; nothing is ever unpickled, in either
direction. Whatever happens in the child (an exception, a panic in a decoder, a kill by the
kernel, an endless loop), the caller gets one subclass of ``MedcoreError`` and the next request
finds a working child. Nothing but the standard library and medcore's errors is imported here.
"""

from __future__ import annotations

from medcore.workers.asking import Asker, asking, background, carry, find_asker, use_finder
from medcore.workers.child import checkpoint, echo_factory, gives_way
from medcore.workers.fair_queue import Request
from medcore.workers.wire import Answer, Handler, Limits, mask_values
from medcore.workers.worker import Worker

__all__ = [
    "Answer",
    "Asker",
    "Handler",
    "Limits",
    "Request",
    "Worker",
    "asking",
    "background",
    "carry",
    "checkpoint",
    "echo_factory",
    "find_asker",
    "gives_way",
    "mask_values",
    "use_finder",
]

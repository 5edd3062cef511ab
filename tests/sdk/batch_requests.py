"""Requests that a handler of batches is given, and what is answered."""

from __future__ import annotations

from gateway import evt
from gateway.sdk.bound_handler import BoundHandler
from tests.sdk.conftest import dimse_event


def bind(handler, *args, batch=4, redeliver=False, deadline=30.0):
    return BoundHandler(evt.EVT_C_ECHO, handler, args, redeliver, False, deadline, batch)


def submit(executor, bound, *tokens):
    """Requests whose message ids are 1, 2, ... as they come."""
    made = []
    for token in tokens:
        made.append(dimse_event(evt.EVT_C_ECHO))
        executor.submit(token, bound, made[-1], bound.deadline)
    return made


def submit_all(executor, bound, *tokens):
    """Requests of one message."""
    executor.submit_many(
        [(token, bound, dimse_event(evt.EVT_C_ECHO), bound.deadline) for token in tokens]
    )


def told(acceptor, count):
    return dict(acceptor.next() for _ in range(count))


def statuses(acceptor, count):
    return {token: reply.payload["status"] for token, reply in told(acceptor, count).items()}

"""One order for what one handler does: answers that it yielded come before its commands.

A generator may yield answers and then abort or release the association, or send a request on it.
The acceptor performs an answer of C-GET in its own time, so a command names the request whose
answers have to be performed first.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_settle: ContextVar[Callable[[], str] | None] = ContextVar("settle", default=None)


@contextmanager
def answering(settle: Callable[[], str]) -> Iterator[None]:
    """Let commands of this thread follow the answers to a request.

    `settle` sends the answers that are still held back, and returns the token of the request.
    """
    before = _settle.set(settle)
    try:
        yield
    finally:
        _settle.reset(before)


def answered_first() -> str:
    """Return the token of the request that this thread's handler is answering; empty if none."""
    settle = _settle.get()
    return settle() if settle is not None else ""

"""The start and stop hooks of a worker, and which errors of a start may pass by themselves."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.errors import GatewayError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Hook: TypeAlias = Callable[[], Any]

log = logging.getLogger("gateway.sdk")


def call_hook(hook: Hook) -> None:
    """Call a start or stop hook, which may be a coroutine function."""
    result = hook()
    if inspect.iscoroutine(result):
        asyncio.run(result)


def call_start_hooks(hooks: Sequence[Hook], wait: Callable[[Exception], bool] | None) -> bool:
    """Call the hooks in order; False if `wait` said that nobody wants to try any more.

    A hook that fails with an error that may pass is called again after `wait`, which gets the error
    and returns True. Everything else, or anything without `wait`, is raised.
    """
    for hook in hooks:
        while True:
            try:
                call_hook(hook)
                break
            except Exception as error:  # a hook may raise anything; what does not pass is raised
                if wait is None or not may_pass(error):
                    raise
                if not wait(error):
                    return False
    return True


def call_stop_hooks(worker: str, hooks: Sequence[Hook]) -> None:
    """Call the hooks in order; one that raises does not keep the others from being called."""
    for hook in hooks:
        try:
            call_hook(hook)
        except Exception:  # a hook may raise anything; the others are called
            log.exception("worker=%s a stop hook raised", worker)


def may_pass(error: Exception) -> bool:
    """Return whether an error of a start hook may go away without a change of program or settings.

    That is what the system or a library says of the world around: a server that does not listen, a
    file that is not there. A wrong setting, a missing right and Python's own exceptions, which are
    faults of the program, stay.
    """
    if isinstance(error, GatewayError):
        return isinstance(error, Unavailable)
    if isinstance(error, OSError):
        return not isinstance(error, PermissionError)
    return type(error).__module__ != "builtins"


def describe(error: BaseException) -> str:
    """Return an error as one line, with its type unless it is one of this program's."""
    text = str(error).strip().replace("\n", " ") or type(error).__name__
    ours = type(error).__module__.startswith("gateway.")
    return text if ours else f"{type(error).__name__}: {text}"

"""Run the coroutine of a command, with Ctrl-C and exit statuses.

Exit statuses: 0 success, 1 something failed, 2 a wrong argument or setting, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import typer

from gateway.association.errors import AssociationError
from gateway.errors import ConfigError, LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.cli.output import Output

INTERRUPTED = 130


class Interrupt:
    """Ctrl-C: the first asks the peer to stop, if possible; the second ends the command."""

    def __init__(self) -> None:
        self.pressed = False
        self.ask: Callable[[], Coroutine[Any, Any, None]] | None = None
        """The action of the first Ctrl-C, such as sending a C-CANCEL."""
        self._asking: asyncio.Task[None] | None = None

    def press(self, task: asyncio.Task[int]) -> None:
        """React to SIGINT or SIGTERM."""
        if self.pressed or self.ask is None:
            task.cancel()
        else:
            self._asking = asyncio.get_running_loop().create_task(self.ask())
            self._asking.add_done_callback(_discard_result)
        self.pressed = True


def _discard_result(task: asyncio.Task[None]) -> None:
    """Retrieve the exception: the operation that is being cancelled reports it as well."""
    if not task.cancelled():
        task.exception()


def run(output: Output, make: Callable[[Interrupt], Coroutine[Any, Any, int]]) -> None:
    """Run a command to its end and exit with the status that its coroutine returns."""
    interrupt = Interrupt()
    try:
        status = asyncio.run(_interruptible(interrupt, make(interrupt)))
    except (asyncio.CancelledError, KeyboardInterrupt):
        status = INTERRUPTED
    except AssociationError as error:
        output.failed(error)
        status = 1
    except LocalProtocolError as error:
        raise ConfigError(str(error)) from error
    except BrokenPipeError:
        discard_output()
        status = 1
    raise typer.Exit(INTERRUPTED if interrupt.pressed else status)


def discard_output() -> None:
    """Redirect standard output to /dev/null, so that the flush at exit does not fail as well.

    For a command whose output is no longer read, as in `dicom-gateway events | head`.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _interruptible(interrupt: Interrupt, work: Coroutine[Any, Any, int]) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt.press, task)
    return await task

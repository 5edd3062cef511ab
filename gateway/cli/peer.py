"""What the commands that talk to a DICOM peer share: options, output, Ctrl-C, exit statuses.

Output is for people, or with --json one object a line: `{"event": "file", ...}`, and at the end
`{"event": "summary", ...}`. Exit statuses: 0 all went well, 1 something did not, 2 the command was
given something wrong, 130 it was interrupted.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.errors import ConfigError, LocalProtocolError
from gateway.requestor.errors import AssociationError, printable
from gateway.requestor.incoming import refuse
from gateway.requestor.proposal import Address, Contexts, Proposal, Timeouts
from gateway.requestor.services import associate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from rich.console import Console

    from gateway.cli.security import Security
    from gateway.requestor.incoming import Handler
    from gateway.requestor.services import Association

HostArgument = Annotated[
    str, typer.Argument(metavar="HOST", help="Host name or address of the peer.")
]
PortArgument = Annotated[int, typer.Argument(metavar="PORT", min=1, max=65_535, help="Its port.")]
AetOption = Annotated[str, typer.Option("--aet", help="Our AE title (calling).")]
AecOption = Annotated[str, typer.Option("--aec", help="The peer's AE title (called).")]
MaxPduOption = Annotated[
    int,
    typer.Option(
        "--max-pdu",
        min=0,
        max=0xFFFFFFFF,
        metavar="BYTES",
        help="The longest P-DATA-TF PDU that we receive; 0: any. "
        "What we send follows the peer's own limit.",
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=0.1,
        metavar="SECONDS",
        help="How long to wait for the connection and for each answer.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON object a line instead of text; a summary last.")
]

INTERRUPTED = 130


def check_titles(**titles: str) -> None:
    """Every `--aet`, `--aec`, ... must be an AE title."""
    from gateway import config

    for option, title in titles.items():
        if not config.is_ae_title(title):
            text = f"{title!r} is no AE title: {config.AE_TITLE}"
            raise typer.BadParameter(text, param_hint=f"--{option}")


def proposal_of(
    contexts: Contexts, aet: str, aec: str, max_pdu: int, security: Security
) -> Proposal:
    """The proposal of a command; checks the titles."""
    check_titles(aet=aet, aec=aec)
    return Proposal(contexts, aet, aec, max_pdu, identity=security.identity)


def address_of(host: str, port: int, security: Security) -> Address:
    return Address(host, port, security.tls, security.server_name)


def timeouts_of(seconds: float) -> Timeouts:
    return Timeouts.all(seconds)


@asynccontextmanager
async def associated(
    address: Address, proposal: Proposal, timeouts: Timeouts, handler: Handler = refuse
) -> AsyncIterator[Association]:
    """An association that is released at the end, or gone at once if something goes wrong."""
    association = await associate(address, proposal, timeouts=timeouts, handler=handler)
    try:
        yield association
        await association.release()
    finally:
        if association.ended is None:
            association.drop("this side gave up")
        await association.close()


def judge_nothing() -> None:
    """Have pydicom read and write whatever values a data set has, and keep quiet about them.

    What is in a file or comes from a peer is not these commands' to judge.
    """
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
    warnings.filterwarnings("ignore", module="pydicom")


class Output:
    """Where a command tells what happens."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.fancy = not as_json and sys.stderr.isatty()
        """Somebody looks: progress bars, and lines only for what needs attention."""
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """Of standard error, where progress is shown; results go to standard output."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False)
        return self._console

    def event(self, name: str, text: str = "", /, **fields: Any) -> None:
        """One thing that happened; without a text it is told only as JSON."""
        if self.as_json:
            print(json.dumps({"event": name, **fields}), flush=True)
        elif text:
            self.line(text)

    def line(self, text: str) -> None:
        """A line on standard output, above the progress bar if there is one."""
        if self.fancy and self._console is not None and sys.stdout.isatty():
            self._console.out(printable(text), highlight=False)
        else:
            print(printable(text), flush=True)

    def failed(self, error: Exception) -> None:
        """Why the command as a whole failed."""
        if self.as_json:
            print(json.dumps({"event": "summary", "error": str(error)}), flush=True)
        print(f"dicom-gateway: {printable(str(error))}", file=sys.stderr)


class Interrupt:
    """Ctrl-C: the first one asks, if there is something to ask; the next one breaks off."""

    def __init__(self) -> None:
        self.pressed = False
        self.ask: Callable[[], Coroutine[Any, Any, None]] | None = None
        """What the first Ctrl-C does, such as sending a C-CANCEL."""
        self._asking: asyncio.Task[None] | None = None

    def press(self, task: asyncio.Task[int]) -> None:
        """A SIGINT or SIGTERM came."""
        if self.pressed or self.ask is None:
            task.cancel()
        else:
            self._asking = asyncio.get_running_loop().create_task(self.ask())
            self._asking.add_done_callback(_forget)
        self.pressed = True


def _forget(task: asyncio.Task[None]) -> None:
    """What became of the asking: whoever waits for the answer sees it."""
    if not task.cancelled():
        task.exception()


def run(output: Output, make: Callable[[Interrupt], Coroutine[Any, Any, int]]) -> None:
    """Run a command to its end and leave with its exit status."""
    interrupt = Interrupt()
    try:
        status = asyncio.run(_guarded(interrupt, make(interrupt)))
    except (asyncio.CancelledError, KeyboardInterrupt):
        status = INTERRUPTED
    except AssociationError as error:
        output.failed(error)
        status = 1
    except LocalProtocolError as error:
        raise ConfigError(str(error)) from error
    except BrokenPipeError:
        # Nobody reads any more, and the interpreter's last flush must not fail as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    raise typer.Exit(INTERRUPTED if interrupt.pressed else status)


async def _guarded(interrupt: Interrupt, work: Coroutine[Any, Any, int]) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt.press, task)
    return await task


def amount(size: float) -> str:
    """A number of bytes for people."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def count(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number} {one if number == 1 else many or one + 's'}"

"""`dicom-gateway echo`: C-ECHO (PS3.4 A)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.interrupt import run
from gateway.cli.options import with_options
from gateway.cli.output import count
from gateway.cli.peer_options import RequestorOptions

if TYPE_CHECKING:
    from gateway.cli.interrupt import Interrupt
    from gateway.cli.output import Output


@with_options(RequestorOptions, "peer", aet="ECHOSCU")
def command(
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, metavar="N", help="C-ECHOs to send, one at a time.")
    ] = 1,
    *,
    peer: RequestorOptions,
) -> None:
    """Check that a DICOM peer responds: associate, C-ECHO, release.

    The exit status is 0 only if every response is success. Example:

    dicom-gateway echo 127.0.0.1 11112 --repeat 10
    """
    from gateway.datasets import BASIC_SYNTAXES
    from gateway.requestor.c_echo import echoes
    from gateway.uid import VERIFICATION

    proposal = peer.proposal(((VERIFICATION, BASIC_SYNTAXES),))
    output = peer.output()

    async def work(_: Interrupt) -> int:
        times, successes = [], 0
        async for result in echoes(peer.address, proposal, peer.timeouts, repeat):
            outcome = "success" if result.status == 0 else "failure"
            milliseconds = result.seconds * 1000
            output.event(
                "echo",
                f"C-ECHO to {peer.aec} at {peer.address}: {outcome} "
                f"(status 0x{result.status:04X}, {milliseconds:.1f} ms)",
                status=result.status,
                milliseconds=round(milliseconds, 3),
            )
            times.append(milliseconds)
            successes += result.status == 0
        _summarize(output, times, successes)
        return 0 if successes == repeat else 1

    run(output, work)


def _summarize(output: Output, times: list[float], successes: int) -> None:
    least, mean, most = min(times), sum(times) / len(times), max(times)
    text = (
        f"{count(len(times), 'response')}, {count(successes, 'success', 'successes')}; "
        f"min {least:.1f} ms, mean {mean:.1f} ms, max {most:.1f} ms"
    )
    output.event(
        "summary",
        text if len(times) > 1 else "",
        responses=len(times),
        successes=successes,
        least=round(least, 3),
        mean=round(mean, 3),
        most=round(most, 3),
    )

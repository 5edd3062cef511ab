"""`dicom-gateway echo`: C-ECHO (PS3.4 A)."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.peer import (
    AecOption,
    AetOption,
    HostArgument,
    Interrupt,
    JsonOption,
    MaxPduOption,
    Output,
    PortArgument,
    TimeoutOption,
    address_of,
    count,
    proposal_of,
    run,
    timeouts_of,
)
from gateway.cli.security import Security, secured


@secured
def command(  # noqa: PLR0913, PLR0917 - a command has as many options as it has
    host: HostArgument,
    port: PortArgument,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, metavar="N", help="C-ECHOs on the one association.")
    ] = 1,
    aet: AetOption = "ECHOSCU",
    aec: AecOption = "ANY-SCP",
    max_pdu: MaxPduOption = 262_144,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
    *,
    security: Security,
) -> None:
    """Ask a DICOM peer whether it is there: associate, C-ECHO, release.

    The exit status is 0 only if it answers with success, each time. Example:

    dicom-gateway echo 127.0.0.1 11112 --repeat 10
    """
    from gateway.datasets import BASIC_SYNTAXES
    from gateway.requestor.echo import echoes
    from gateway.uid import VERIFICATION

    address = address_of(host, port, security)
    proposal = proposal_of(((VERIFICATION, BASIC_SYNTAXES),), aet, aec, max_pdu, security)
    output = Output(as_json)

    async def work(_: Interrupt) -> int:
        times, successes = [], 0
        async for result in echoes(address, proposal, timeouts_of(timeout), repeat):
            words = "success" if result.status == 0 else "no success"
            milliseconds = result.seconds * 1000
            output.event(
                "echo",
                f"C-ECHO to {aec} at {address}: {words} "
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
        f"least {least:.1f} ms, mean {mean:.1f} ms, most {most:.1f} ms"
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

"""`dicom-gateway echo`: C-ECHO (PS3.4 A)."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer


def command(
    host: Annotated[str, typer.Argument(help="Host name or address of the peer.")],
    port: Annotated[int, typer.Argument(min=1, max=65_535, help="Its port.")],
    aet: Annotated[str, typer.Option(help="Our AE title (calling).")] = "ECHOSCU",
    aec: Annotated[str, typer.Option(help="The peer's AE title (called).")] = "ANY-SCP",
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for each answer.")
    ] = 30.0,
) -> None:
    """Ask a DICOM peer whether it is there: associate, C-ECHO, release.

    The exit status is 0 only if it answers with success.
    """
    from gateway import requestor
    from gateway.supervisor.listen import spoken

    _check(aet, "--aet")
    _check(aec, "--aec")
    result = asyncio.run(requestor.echo(host, port, aet=aet, aec=aec, timeout=timeout))
    words = "success" if result.status == 0 else "no success"
    print(
        f"C-ECHO to {aec} at {spoken((host, port))}: {words} "
        f"(status 0x{result.status:04X}, {result.seconds * 1000:.1f} ms)"
    )
    raise typer.Exit(0 if result.status == 0 else 1)


def _check(title: str, option: str) -> None:
    from gateway import config

    if not config.is_ae_title(title):
        raise typer.BadParameter(f"{title!r} is no AE title: {config.AE_TITLE}", param_hint=option)

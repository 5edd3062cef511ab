"""`dicom-gateway status`: show whether a gateway runs."""

from __future__ import annotations

from pathlib import Path

import typer

from gateway.cli.common import ConfigOption, DataOption, settings_of


def command(data: DataOption = None, config: ConfigOption = None) -> None:
    """Show whether a gateway runs on the data directory, where it listens, and its processes.

    The exit status is 0 if it is ready, and 1 if not.
    """
    from gateway.supervisor import find_running, format_address

    place = settings_of(config, data=data).gateway.data
    running = find_running(Path(place))
    if running is None:
        print(f"no gateway runs on {place}")
        raise typer.Exit(1)
    state = "running" if running.ready else "starting"
    print(
        f"{state}: pid {running.pid}, {format_address(running.address)} AE {running.ae_title}, "
        f"data {place}, success means {running.durability}"
    )
    for name, pid in (*running.acceptors.items(), *running.workers.items()):
        print(f"  {name} pid {pid}")
    raise typer.Exit(0 if running.ready else 1)

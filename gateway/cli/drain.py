"""`dicom-gateway drain`: turn new associations away for a while."""

from __future__ import annotations

from pathlib import Path

from gateway.cli.common import settings_of
from gateway.shared_options import ConfigOption, DataOption


def command(data: DataOption = None, config: ConfigOption = None) -> None:
    """Reject new associations (2,3,1, temporary congestion); open ones go on.

    The gateway accepts again after `dicom-gateway resume`, or when it is started anew.
    """
    from gateway.supervisor import ask_running

    status = ask_running(Path(settings_of(config, data=data).gateway.data), "drain")
    print(f"drained: {status['associations']} associations are open")

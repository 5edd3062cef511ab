"""`dicom-gateway resume`: accept associations again after `dicom-gateway drain`."""

from __future__ import annotations

from pathlib import Path

from gateway.cli.common import settings_of
from gateway.shared_options import ConfigOption, DataOption


def command(data: DataOption = None, config: ConfigOption = None) -> None:
    """Accept new associations again after `dicom-gateway drain`."""
    from gateway.supervisor import ask_running

    status = ask_running(Path(settings_of(config, data=data).gateway.data), "resume")
    print(f"{status['state']}: new associations are accepted")

"""`dicom-gateway reload`: put a changed configuration in force."""

from __future__ import annotations

from pathlib import Path

from gateway.cli.common import settings_of
from gateway.shared_options import ConfigOption, DataOption


def command(data: DataOption = None, config: ConfigOption = None) -> None:
    """Have the gateway that runs read its configuration again.

    It reads its own file and environment. Open associations go on with what they negotiated. What
    takes effect is printed, and what needs a restart. If anything is wrong, nothing changes and the
    exit status is 2.
    """
    from gateway.control_client import REPLACE_LIMIT
    from gateway.errors import ConfigError, GatewayError
    from gateway.supervisor import ask_running

    place = Path(settings_of(config, data=data).gateway.data)
    told = ask_running(place, "reload", REPLACE_LIMIT)
    if "error" in told:
        kind = ConfigError if told["is_wrong"] else GatewayError
        raise kind(f"nothing has changed: {told['error']}")
    print(f"revision {told['revision']} is in force")
    for what in ("changed", "added", "removed", "replaced"):
        if told[what]:
            print(f"{what}: {', '.join(told[what])}")
    if told["waiting"]:
        print(f"in force after a restart only: {', '.join(told['waiting'])}")

"""`dicom-gateway config`: check the settings and show them."""

from __future__ import annotations

from gateway.cli.common import ConfigOption, settings_of


def command(config: ConfigOption = None) -> None:
    """Check the settings and print them as TOML.

    They are what is in effect after the file and the environment. The exit status is 2 if
    something is wrong, with one line that says what would be right.
    """
    from gateway.config import to_toml

    settings = settings_of(config)
    print(to_toml(settings), end="")

"""`dicom-gateway config`: check and print the settings."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from gateway.cli.common import settings_of
from gateway.shared_options import ConfigOption


def command(
    config: ConfigOption = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print a JSON Schema of gateway.toml, for editors.")
    ] = False,
) -> None:
    """Check the settings and print the effective ones as TOML.

    Effective are the defaults, overridden by the file, and that by environment variables. The exit
    status is 2 if a setting is wrong, or a file or worker that it names does not exist, with one
    line that says which and what it must be. Passwords are shown as `***`.
    """
    from gateway.config import check_existing, hide_secrets, json_schema, to_toml

    if schema:
        print(json.dumps(json_schema(), indent=2))
        return
    settings = settings_of(config)
    for warning in check_existing(settings, config):
        print(f"dicom-gateway: warning: {warning}", file=sys.stderr)
    print(to_toml(hide_secrets(settings)), end="")

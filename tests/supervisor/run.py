"""`dicom-gateway serve` and `worker` with scripted children instead of the real ones."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gateway import log, supervisor
from gateway.cli.common import announce
from gateway.config import load
from gateway.errors import ConfigError, GatewayError
from gateway.supervisor import ChildModules

MODULES = ChildModules(
    "tests.supervisor.child", "tests.supervisor.child", lambda run_dir, name, settings: 7
)


def main(command: str, config: str, *arguments: str) -> int:
    settings = load(Path(config), environment=os.environ)
    log.setup(settings.log, command)
    try:
        if command == "serve":
            return asyncio.run(supervisor.serve(settings, announce, MODULES))
        name, processes = arguments
        data = Path(settings.gateway.data)
        plan = supervisor.prepare(settings, data, name, "scripted", int(processes))
        return asyncio.run(supervisor.launch(plan, settings, announce, MODULES))
    except GatewayError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

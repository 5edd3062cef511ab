"""What the worker keeps on disk besides the trail: the start of the gateway and of the journal."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "state.json"
_START_TIME = 19
"""The field of /proc/PID/stat behind the command: the start of the process."""


@dataclass(slots=True)
class AuditState:
    """The state, which is replaced as a whole."""

    process: str = ""
    """The gateway's process whose start is recorded."""
    position: int = -1
    """Number in the journal up to which everything is told; -1: it was never read."""

    @classmethod
    def read(cls, folder: Path) -> AuditState:
        """Return the state, or that of a first start if there is none."""
        with suppress(OSError, ValueError, TypeError, LookupError):
            values = json.loads((folder / FILE).read_text())
            return cls(str(values["process"]), int(values["position"]))
        return cls()

    def write(self, folder: Path) -> None:
        """Write the state; raises OSError."""
        descriptor, new = tempfile.mkstemp(dir=folder, prefix=".state-")
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file)
        os.replace(new, folder / FILE)


def parent_process() -> str:
    """Return a name of the parent process that no later one has."""
    parent = os.getppid()
    try:
        with open(f"/proc/{parent}/stat") as file:
            started = file.read().rpartition(")")[2].split()[_START_TIME]
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{parent}-{started}-{file.read().strip()}"
    except (OSError, IndexError):
        return f"{parent}"

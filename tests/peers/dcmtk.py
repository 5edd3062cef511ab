"""Find and run DCMTK's tools, and not pynetdicom's of the same names."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from tests.patience import WALL

_ALSO = ("/usr/bin", "/usr/local/bin", "/opt/dcmtk/bin")


@cache
def find(tool: str) -> str | None:
    """The path of DCMTK's `tool`: the first on PATH whose --version says so."""
    for folder in [*os.environ.get("PATH", "").split(os.pathsep), *_ALSO]:
        candidate = Path(folder) / tool
        if folder and os.access(candidate, os.X_OK) and _is_dcmtk(candidate):
            return str(candidate)
    return None


def _is_dcmtk(path: Path) -> bool:
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, timeout=WALL, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "dcmtk" in (done.stdout + done.stderr).lower()


def run(tool: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end; stdout and stderr together in `.stdout`."""
    path = find(tool)
    if path is None:
        raise FileNotFoundError(f"DCMTK's {tool} is not installed")
    return subprocess.run(
        [path, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=WALL,
        check=False,
        text=True,
        errors="replace",
        env=os.environ | {"TCP_NODELAY": "1"},
    )

"""SCUs that encode anew what they send: npm's dcmjs-dimse and Debian's odil."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCRIPT = Path(__file__).with_name("dcmjs_store.js")


@cache
def node_modules() -> str:
    """The folder with dcmjs-dimse, of NODE_PATH or of global packages; empty if there is none."""
    folders = os.environ.get("NODE_PATH", "").split(os.pathsep)
    if shutil.which("npm") and shutil.which("node"):
        done = subprocess.run(
            ["npm", "root", "-g"], capture_output=True, text=True, check=False, timeout=WALL
        )
        folders.append(done.stdout.strip())
    return next((f for f in folders if f and Path(f, "dcmjs-dimse").is_dir()), "")


def dcmjs(address: tuple[str, int], files: Sequence[Path]) -> None:
    """Send files with dcmjs-dimse."""
    _run(["node", _SCRIPT, *address, *files], NODE_PATH=node_modules())


def odil(address: tuple[str, int], files: Sequence[Path]) -> None:
    """Send files with odil."""
    _run(["odil", "store", *address, "ODIL", "GATEWAY", *files])


def _run(command: Sequence[object], **environment: str) -> None:
    # What it says of the statuses is not needed: the index tells what became of the instances.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=WALL,
    )
    assert done.returncode == 0, done.stdout + done.stderr

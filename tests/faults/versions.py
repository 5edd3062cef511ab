"""The program as a wheel: that under test, or a newer one with an additive schema step."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.faults.healing import Skipped
from tests.patience import WALL
from workers.archive.index.schema import MIGRATIONS

ROOT = Path(__file__).parents[2]
NEWER = len(MIGRATIONS) + 1
"""The version of the schema of the newer program."""
_STEP = f"""
-- version {NEWER}
-- addition: what a later version keeps, and this one does without.
CREATE TABLE addition (name {{text}} NOT NULL);
ALTER TABLE gateway ADD COLUMN addition {{text}};
"""


def unpacked(folder: Path, *, newer: bool = False) -> Path:
    """Build a wheel below `folder`; return the folder of its modules, for PYTHONPATH."""
    source, modules = folder / "source", folder / "modules"
    source.mkdir(parents=True)
    for name in ("gateway", "workers"):
        ignored = shutil.ignore_patterns("__pycache__", "figures")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    if newer:
        with (source / "workers/archive/index/schema.sql").open("a") as script:
            script.write(_STEP)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5 * WALL, check=False)
    if done.returncode:
        raise Skipped(f"no wheel can be built here: {done.stderr.strip().splitlines()[-1:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(modules)
    return modules

"""Small file systems of their own, to run out of."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def mounted(place: Path, *options: str, size: str = "8m") -> Iterator[None]:
    """A tmpfs at `place`; skips the test where this machine does not let us mount."""
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "tmpfs", place]
    if subprocess.run(command, check=False, timeout=WALL, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let us mount")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True, timeout=WALL)

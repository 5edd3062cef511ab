"""What a peer has acknowledged, one line each, written before anything else is sent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gateway.load.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Journal:
    """One process's file: it survives the process, however that ends."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)

    def add(self, identity: Identity) -> None:
        """One more."""
        os.write(self._fd, " ".join(map(str, identity)).encode() + b"\n")

    def close(self) -> None:
        os.close(self._fd)


def read(paths: Iterable[Path]) -> Iterator[Identity]:
    """What was written; a line that a death cut short is left out."""
    width = len(Identity._fields)
    for path in paths:
        with path.open() as lines:
            for line in lines:
                numbers = line.split()
                if line.endswith("\n") and len(numbers) == width:
                    yield Identity(*map(int, numbers))

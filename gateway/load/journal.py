"""The journal of acknowledged instances, one line each, written before the next is sent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gateway.load.instance_identity import InstanceIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Journal:
    """The file of one process; it is not buffered, so it survives a crash of the process."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)

    def add(self, identity: InstanceIdentity) -> None:
        """Append an instance."""
        os.write(self._fd, " ".join(map(str, identity)).encode() + b"\n")

    def close(self) -> None:
        os.close(self._fd)


def read(paths: Iterable[Path]) -> Iterator[InstanceIdentity]:
    """Yield the instances of these files; skip a line that a crash has cut short."""
    width = len(InstanceIdentity._fields)
    for path in paths:
        with path.open() as lines:
            for line in lines:
                numbers = line.split()
                if line.endswith("\n") and len(numbers) == width:
                    yield InstanceIdentity(*map(int, numbers))

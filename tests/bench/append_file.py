"""Small objects made durable in files of their own, or first in one: `tests.bench append-file`.

In files: those of a batch are written, synced by one syncfs, and get their names. In one: a batch
is appended and synced, which would be enough for an answer; later each object gets a file of its
own all the same, a hundred at a time, because files are what the archive promises. No index is
written.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.figures import size_of, size_text
from tests.bench.rows import show
from tests.bench.scratch import scratch, settle

if TYPE_CHECKING:
    from pathlib import Path

_TOGETHER = 100
"""Objects that are put into files at once, after the answers."""
_syncfs = ctypes.CDLL(None, use_errno=True).syncfs


class Files:
    """A folder in which each object has a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._number = 0

    def put(self, objects: list[bytes]) -> None:
        drafts = []
        for data in objects:
            self._number += 1
            drafts.append(self._folder / f"{self._number}.part")
            with open(drafts[-1], "xb", buffering=0) as file:
                file.write(data)
        if _syncfs(self._descriptor):
            raise OSError(ctypes.get_errno(), "syncfs")
        for draft in drafts:
            os.link(draft, draft.with_suffix(".dcm"))
            os.unlink(draft)
        os.fsync(self._descriptor)

    def finish(self) -> None:
        os.close(self._descriptor)


class AppendFile:
    """One file to which objects are appended, until they are put into files."""

    def __init__(self, folder: Path) -> None:
        self._files = Files(folder)
        self._file = os.open(folder / "appended", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.posix_fallocate(self._file, 0, 64 << 20)
        os.fsync(self._file)
        self._lengths: list[int] = []

    def put(self, objects: list[bytes]) -> None:
        os.pwritev(self._file, objects, sum(self._lengths))
        os.fdatasync(self._file)
        self._lengths += map(len, objects)

    def finish(self) -> None:
        position, objects = 0, []
        for length in self._lengths:
            objects.append(os.pread(self._file, length, position))
            position += length
            if len(objects) == _TOGETHER or position == sum(self._lengths):
                self._files.put(objects)
                objects = []
        os.ftruncate(self._file, 0)
        os.fdatasync(self._file)
        os.close(self._file)
        self._files.finish()


class Cost(NamedTuple):
    """Seconds an object: whole, and of CPU."""

    answered: float
    answered_cpu: float
    finished: float
    finished_cpu: float


def measure(store: Files | AppendFile, size: int, batch: int, count: int) -> Cost:
    objects = [os.urandom(size)] * batch
    begun = time.monotonic(), time.process_time()
    for _ in range(count // batch):
        store.put(objects)
    answered = time.monotonic(), time.process_time()
    store.finish()
    finished = time.monotonic(), time.process_time()
    parts = [
        after - before
        for end in (answered, finished)
        for after, before in zip(end, begun, strict=True)
    ]
    return Cost(*(part / (count // batch * batch) for part in parts))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench append-file", description=__doc__)
    parser.add_argument("--size", type=size_of, default=8 * 1024)
    parser.add_argument("--batches", default="1,10,50")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    rows = []
    with scratch() as place:
        for batch in map(int, options.batches.split(",")):
            costs: dict[str, list[Cost]] = {}
            for _ in range(options.rounds):
                for title, kind in (("files", Files), ("append file", AppendFile)):
                    with place.folder() as folder:
                        cost = measure(kind(folder), options.size, batch, options.count)
                    costs.setdefault(title, []).append(cost)
                    settle()
            for title, found in costs.items():
                medians = [statistics.median(each) * 1e6 for each in zip(*found, strict=True)]
                rows.append((f"{title}, batches of {batch}", *(f"{one:.0f}" for one in medians)))
    heads = ("", "until the answer, us", "CPU", "until in files, us", "CPU")
    show(f"An object of {size_text(options.size)} made durable", heads, rows)


if __name__ == "__main__":
    main()

"""The index alone, in SQLite and in PostgreSQL: `python -m tests.bench index`.

Instances of series with 100 each are looked up and added in batches, as the storage worker does it,
in turn in both; each commit is on disk. Without PostgreSQL's server only SQLite is measured.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from gateway.settings import ArchiveSettings
from gateway.spool.digest import digest_of
from tests.archive import postgres
from tests.bench.rows import show
from tests.bench.scratch import scratch
from tests.peers import instances
from workers.archive import header
from workers.archive.index import IndexEntry
from workers.archive.opening import open_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.archive.index import Index
    from workers.archive.index.records import Texts

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
BATCHES = "1,10,50"
_SERIES = 100


class Arrivals:
    """Instances with the values of a CT image, numbered; none comes twice."""

    def __init__(self) -> None:
        made = instances.make()
        self._texts = header.scan(made.data_set, made.transfer_syntax)
        self._class = made.sop_class
        self._syntax = made.transfer_syntax
        self._number = 0

    def batch(self, size: int) -> list[tuple[IndexEntry, Texts]]:
        return [self._next() for _ in range(size)]

    def _next(self) -> tuple[IndexEntry, Texts]:
        self._number += 1
        study, number = divmod(self._number, _SERIES)
        above = f"1.2.826.0.1.3680043.10.1234.{study}"
        uid = f"{above}.1.{number}"
        texts = header.HeaderValues(self._texts)
        texts["SOPInstanceUID"], texts["InstanceNumber"] = uid, str(number)
        texts["SeriesInstanceUID"], texts["StudyInstanceUID"] = f"{above}.1", above
        texts["PatientID"] = f"P{study}"
        path = f"20260101/{self._number // 1000:09d}-0/{self._number:032x}.dcm"
        received = f"20260101{self._number:012d}"
        file = self._syntax, path, 356, 8192, digest_of(uid.encode()), "GATEWAY", received
        return IndexEntry(uid, self._class, *file), texts


def rate(index: Index, arrivals: Arrivals, size: int, seconds: float) -> tuple[float, float]:
    """Return instances a second, and seconds of this process's CPU for each."""
    count, used, begun = 0, time.process_time(), time.monotonic()
    while (took := time.monotonic() - begun) < seconds:
        batch = arrivals.batch(size)
        uids = [entry.sop_instance_uid for entry, _ in batch]
        absent = frozenset(uids) - index.find_all(uids).keys()
        for added in index.add_all(batch, absent=absent):
            if isinstance(added, Exception):
                raise added
        count += size
    return count / took, (time.process_time() - used) / count


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench index", description=__doc__)
    parser.add_argument("--batches", default=BATCHES, help="instances of a transaction")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    sizes = [int(size) for size in options.batches.split(",")]
    with scratch() as place, place.folder() as folder, ExitStack() as stack:
        indexes = {name: stack.enter_context(index) for name, index in _indexes(folder, stack)}
        arrivals = {name: Arrivals() for name in indexes}
        rates: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for _ in range(options.rounds + 1):  # the first is not counted: all is new then
            for size in sizes:
                for name, index in indexes.items():
                    one = rate(index, arrivals[name], size, options.seconds)
                    rates.setdefault((name, size), []).append(one)
        _print(sizes, list(indexes), rates)


def _indexes(folder: Path, stack: ExitStack) -> Iterator[tuple[str, Index]]:
    yield SQLITE, open_index(folder, ArchiveSettings())
    if reason := postgres.absent():
        print(f"{POSTGRES} is not measured: {reason}")
        return
    place = folder / "pg"
    for part in (place.parent, place.parent.parent):
        part.chmod(0o755)  # for the server's own user
    dsn = stack.enter_context(postgres.server(place, durable=True))
    yield POSTGRES, open_index(folder, ArchiveSettings(dsn=dsn))


def _print(
    sizes: list[int], names: list[str], rates: dict[tuple[str, int], list[tuple[float, float]]]
) -> None:
    rows = []
    for size in sizes:
        medians = [
            [statistics.median(each) for each in zip(*rates[name, size][1:], strict=True)]
            for name in names
        ]
        row = [str(size)]
        for speed, cpu in medians:
            row += [f"{speed:.0f}", f"{cpu * 1e6:.0f}"]
        if len(medians) > 1:
            row.append(f"{medians[1][0] / medians[0][0]:.2f}")
        rows.append(row)
    heads = ["instances of a batch"]
    for name in names:
        heads += [f"{name}, 1/s", "CPU here, us"]
    if len(names) > 1:
        heads.append("ratio")
    show("Looked up and added to the index", heads, rows)


if __name__ == "__main__":
    main()

"""Rebuild the index of an archive as an earlier version laid it out: `reindex`.

The files have names without a time of receipt, and an index of schema 3 lies beside them. Printed
are files a second, for SQLite and, where it is installed, PostgreSQL.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway.settings import ArchiveSettings
from tests.archive import postgres
from tests.archive.test_reindex import old_name, old_tables
from tests.conftest import short_folder
from tests.workers.holdings import instance
from workers.archive.index import SqliteIndex
from workers.archive.layout import FOLDER, INDEX
from workers.archive.reindex import Reindex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUCKET = 1000
_IMAGES, _SERIES = 25, 4
"""Of each series, and of each study."""


def _texts(number: int) -> dict[str, str]:
    """Return what distinguishes instances; each value always has the same length."""
    series = number // _IMAGES
    study = series // _SERIES
    return {
        "SOPInstanceUID": f"1.2.3.{10**9 + number}",
        "StudyInstanceUID": f"1.2.1.{10**9 + study}",
        "SeriesInstanceUID": f"1.2.2.{10**9 + series}",
        "PatientID": f"P{10**9 + study}",
        "PatientName": f"Name^{10**9 + study}",
    }


def write(data: Path, count: int) -> None:
    """Small CT instances, in buckets of a thousand; their times of change are in their order."""
    chance = random.Random(1)
    template = instance(**_texts(0)).part10()
    for number in range(count):
        content = template
        for old, new in zip(_texts(0).values(), _texts(number).values(), strict=True):
            content = content.replace(old.encode(), new.encode())
        bucket = f"20260101/{number // _BUCKET:09}-0"
        path = data / FOLDER / old_name(bucket, chance.getrandbits(96))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(10**18 + number, 10**18 + number))
    with sqlite3.connect(data / FOLDER / INDEX) as connection:
        old_tables(connection.execute, SqliteIndex.TYPES)
        connection.execute("PRAGMA user_version=3")
    connection.close()


@contextmanager
def _databases() -> Iterator[dict[str, ArchiveSettings]]:
    settings = {"SQLite": ArchiveSettings()}
    if postgres.absent():
        yield settings
        return
    with short_folder() as folder:
        folder.chmod(0o755)
        with postgres.server(folder / "pg") as dsn:
            yield {**settings, "PostgreSQL": ArchiveSettings(dsn=dsn, holder="HERE")}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench reindex", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    with short_folder() as data, _databases() as databases:
        write(data, options.count)
        for name, settings in databases.items():
            begun, work = time.perf_counter(), Reindex(data, settings, processes=options.processes)
            done = list(work)[-1]
            seconds = time.perf_counter() - begun
            if (done, len(work.found.indexed)) != (options.count, options.count):
                raise RuntimeError(f"{name}: {len(work.found.indexed)} of {options.count} indexed")
            print(f"{name}: {done} files in {seconds:.1f} s, {done / seconds:.0f} files/s")


if __name__ == "__main__":
    main()

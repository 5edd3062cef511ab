"""The time of a start in an archive that another host shares, with many files of that host."""

from __future__ import annotations

import os
import time
from statistics import median
from typing import TYPE_CHECKING

from tests.faults.database import database
from tests.faults.healing import gateway, seconds_until_it_stores
from tests.faults.row import BrokenPromise
from tests.peers.instances import make

if TYPE_CHECKING:
    from pathlib import Path

    from tests.archive.postgres import Server

_ROUNDS = 3
_RATIO = 1.5
_BUCKET = 1000
_LINKS = 20_000
"""Names of one file, of which file systems allow a limited number."""


def shared_start(foreign: int) -> str:
    """Start a gateway several times, with and without files of another host, in turns."""
    with database() as server:
        server.start()
        none, many = (_Site(server, name) for name in ("none", "many"))
        for site in (none, many):
            site.start()
        many.fill(foreign)
        for _ in range(_ROUNDS):
            none.start()
            many.start()
    ratio = median(many.times[1:]) / median(none.times[1:])
    seen = f"{foreign} files: {median(many.times[1:]):.2f} s, none: {median(none.times[1:]):.2f} s"
    if ratio > _RATIO:
        raise BrokenPromise(f"{seen}: {ratio:.2f} x")
    return f"{seen}: {ratio:.2f} x"


class _Site:
    """A gateway with a schema and a data directory of its own, and the times of its starts."""

    def __init__(self, server: Server, name: str) -> None:
        import psycopg

        self.times: list[float] = []
        self._dsn = f"{server.dsn} options=-csearch_path={name}"
        self._folder = server.folder / name
        self._folder.mkdir()
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")

    def start(self) -> None:
        config = f'[archive]\ndsn = "{self._dsn}"\nshared = true\n'
        begun = time.monotonic()
        with gateway(config, self._folder) as running:
            self.times.append(time.monotonic() - begun)
            seconds_until_it_stores(running)
            self._archive = running.data / "archive"

    def fill(self, count: int) -> None:
        """Add rows and files of another host, which has not noted its buckets."""
        import psycopg

        paths = list(self._paths(count))
        with psycopg.connect(self._dsn) as connection:
            connection.execute("CREATE TEMPORARY TABLE path (number int, path text)")
            with connection.cursor().copy("COPY path FROM STDIN") as copy:
                for row in enumerate(paths):
                    copy.write_row(row)
            connection.execute(
                "INSERT INTO instance (header, sop_instance_uid, sop_class_uid, transfer_syntax, "
                "path, start, size, digest, holder, received) SELECT header, '9.' || number, "
                "sop_class_uid, transfer_syntax, path.path, start, size, digest, 'OTHER', received "
                "FROM path, (SELECT * FROM instance LIMIT 1) AS one"
            )

    def _paths(self, count: int) -> list[str]:
        source, content = self._archive / "tmp", make().part10()
        paths = []
        for number in range(count):
            if number % _LINKS == 0:
                file = source / f"file{number}"
                file.write_bytes(content)
            bucket = f"{number // _BUCKET:09}-0"
            path = f"20260101/{bucket}/20260101-{bucket}-{number:037x}.dcm"
            self._link(file, path)
            paths.append(path)
        return paths

    def _link(self, file: Path, path: str) -> None:
        target = self._archive / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, target)

"""A PostgreSQL server of the tests' own, in a temporary folder, reached by a socket there."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT = WALL


def absent() -> str:
    """Why there can be no server; empty if there can."""
    return "PostgreSQL's server is not installed" if _folder() is None else ""


def _folder() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def _as_user(*command: object) -> list[str]:
    """The server refuses to be run by root."""
    words = [str(word) for word in command]
    return ["runuser", "-u", "postgres", "--", *words] if os.geteuid() == 0 else words


def _run(*command: object) -> None:
    done = subprocess.run(
        _as_user(*command), capture_output=True, text=True, timeout=_TIMEOUT, cwd="/tmp"
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


class Server:
    """A server below `folder`, which can be started and stopped."""

    def __init__(self, folder: Path, *, durable: bool = False, listen: str = "") -> None:
        programs = _folder()
        assert programs is not None
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        self.folder, self._data = folder, folder / "data"
        _run(
            *(programs / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust"),
            *("-E", "UTF8", "-N"),
        )
        self._control = programs / "pg_ctl", "-D", self._data, "-w", "-t", _TIMEOUT
        self._fsync = "on" if durable else "off"
        self._listen = listen
        self.dsn = f"host={folder} user=postgres dbname=postgres"
        if listen:  # by TCP as well, at this address
            self.dsn = self.dsn.replace(str(folder), listen)
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all all trust\n")

    def start(self) -> None:
        options = f"-c listen_addresses='{self._listen}' -k {self.folder} -c fsync={self._fsync}"
        _run(*self._control, "-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        _run(*self._control, "-m", "immediate", "stop")

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])


@contextmanager
def server(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """Start one below `folder`; gives the DSN."""
    one = Server(folder, durable=durable)
    one.start()
    try:
        yield one.dsn
    finally:
        one.stop()


def dump(dsn: str, schema: str) -> str:
    """Return a dump of a schema, as `pg_dump` makes it."""
    programs = _folder()
    assert programs is not None
    done = subprocess.run(
        [programs / "pg_dump", "--dbname", dsn, "--schema", schema],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=True,
    )
    return done.stdout


def restore(dsn: str, schema: str, text: str) -> None:
    """Put a dump in place of a schema."""
    import psycopg

    programs = _folder()
    assert programs is not None
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")
    subprocess.run(
        [programs / "psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", dsn],
        input=text,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=True,
    )

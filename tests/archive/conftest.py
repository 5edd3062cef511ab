from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from gateway.spool.digest import digest_of
from tests.archive import postgres
from tests.conftest import PEERS_REQUIRED, short_folder
from workers.archive.index import Index, IndexEntry, SqliteIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_schemas = count()


def entry(uid: str, content: bytes = b"", *, path: str = "", holder: str = "HERE") -> IndexEntry:
    content = content or uid.encode()
    return IndexEntry(
        uid,
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.1.2.1",
        path or f"20260101/000000000-0/{uid}.dcm",
        356,
        len(content),
        digest_of(content),
        holder,
    )


def kept(uid: str = "1.1", series: str = "1.2", study: str = "1.3", **texts: str):
    """The texts of an instance."""
    base = {
        "SOPInstanceUID": uid,
        "SeriesInstanceUID": series,
        "StudyInstanceUID": study,
        "PatientID": "P1",
        "PatientName": "Doe^Jane",
        "Modality": "CT",
    }
    return {**base, **texts}


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    if reason := postgres.absent():
        if PEERS_REQUIRED:
            pytest.fail(f"{reason}, and DICOM_GATEWAY_REQUIRE_PEERS=1", pytrace=False)
        pytest.skip(reason)
    with short_folder() as folder:
        folder.chmod(0o755)
        with postgres.server(folder / "pg") as dsn:
            yield dsn


@pytest.fixture
def postgres_schema(postgres_dsn: str) -> Iterator[str]:
    """A DSN with a schema of the test's own."""
    import psycopg

    name = f"test{next(_schemas)}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        yield f"{postgres_dsn} options=-csearch_path={name}"
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(params=["sqlite", "postgres"])
def open_index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Index]]:
    """Opens the same index each time it is called: once with SQLite, once with PostgreSQL."""
    opened: list[Index] = []
    dsn = "" if request.param == "sqlite" else request.getfixturevalue("postgres_schema")

    def make() -> Index:
        if dsn:
            from workers.archive.index.postgres import PostgresIndex

            opened.append(PostgresIndex(dsn))
        else:
            opened.append(SqliteIndex(tmp_path / "index.sqlite"))
        return opened[-1]

    yield make
    for index in opened:
        index.close()


@pytest.fixture
def index(open_index: Callable[[], Index]) -> Index:
    return open_index()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Callable[[Index], list[str]]:
    """Notes the statements of an index, by their first words."""

    def watch(index: Any) -> list[str]:
        noted: list[str] = []
        executing = index._executing

        def wrapped(connection: Any) -> Any:
            execute = executing(connection)
            return lambda text, *rest: (noted.append(text.split()[0]), execute(text, *rest))[1]

        monkeypatch.setattr(index, "_executing", wrapped)
        return noted

    return watch

"""A database that cannot have the index is refused in a sentence that says what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

psycopg = pytest.importorskip("psycopg")

from workers.archive.index.postgres import PostgresIndex  # noqa: E402 - it needs psycopg
from workers.archive.index.postgres_errors import is_wrong, why_unusable  # noqa: E402


def execute(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for one in statements:
            connection.execute(one)


@contextmanager
def made(dsn: str, what: str, more: str) -> Iterator[None]:
    """CREATE this, and DROP it at the end."""
    execute(dsn, f"CREATE {what} {more}")
    try:
        yield
    finally:
        execute(dsn, f"DROP {what}")


@pytest.fixture
def stranger(postgres_schema: str) -> Iterator[str]:
    """The DSN of a user without rights, in a schema that has the tables."""
    PostgresIndex(postgres_schema).close()
    execute(postgres_schema, "CREATE ROLE stranger LOGIN")
    yield postgres_schema.replace("user=postgres", "user=stranger")
    execute(postgres_schema, "DROP OWNED BY stranger", "DROP ROLE stranger")


def schema(dsn: str) -> str:
    return dsn.rpartition("=")[2]


def refused(dsn: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        PostgresIndex(dsn)
    assert "\n" not in str(raised.value)


def test_rights_that_are_lacking(stranger: str, postgres_schema: str) -> None:
    refused(stranger, r"archive\.dsn: .*: grant its user USAGE and CREATE")
    every = f"ALL TABLES IN SCHEMA {schema(stranger)} TO stranger"
    execute(postgres_schema, f"GRANT USAGE, CREATE ON SCHEMA {schema(stranger)} TO stranger")
    execute(postgres_schema, f"GRANT SELECT ON {every}")
    refused(stranger, r"may not read and write the tables assignment, .*: grant it SELECT, INSERT")
    execute(postgres_schema, f"GRANT ALL ON {every}", "REVOKE INSERT ON journal FROM stranger")
    refused(stranger, r"may not read and write the tables journal: grant it")
    execute(postgres_schema, "GRANT INSERT ON journal TO stranger")
    PostgresIndex(stranger).close()
    execute(postgres_schema, "ALTER ROLE stranger SET default_transaction_read_only = on")
    refused(stranger, "its user cannot write: set default_transaction_read_only to off")


def test_what_is_set_for_a_user_does_not_weaken_a_commit(stranger: str, postgres_schema: str):
    execute(
        postgres_schema,
        f"GRANT USAGE, CREATE ON SCHEMA {schema(stranger)} TO stranger",
        f"GRANT ALL ON ALL TABLES IN SCHEMA {schema(stranger)} TO stranger",
        "ALTER ROLE stranger SET synchronous_commit = off",
        "ALTER ROLE stranger SET default_transaction_isolation = serializable",
        "ALTER ROLE stranger SET client_encoding = latin1",
    )
    names = "synchronous_commit", "transaction_isolation", "client_encoding"
    text = ", ".join(f"current_setting('{name}')" for name in names)
    text = f"SELECT {text}"
    for durable, commit in ((True, "on"), (False, "off")):
        with PostgresIndex(stranger, durable=durable) as index, index._reading() as ask:
            assert ask(text).fetchone() == (commit, "read committed", "UTF8")
    with (
        PostgresIndex(f"{stranger} client_encoding=latin1") as index,
        index._reading() as ask,
    ):
        assert ask(text).fetchone() == ("on", "read committed", "UTF8")


def test_a_database_that_cannot_have_all_names(postgres_dsn: str) -> None:
    locale = "LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with made(postgres_dsn, "DATABASE narrow", f"ENCODING 'LATIN1' {locale}"):
        dsn = postgres_dsn.replace("dbname=postgres", "dbname=narrow")
        refused(dsn, "the encoding of the database is LATIN1.*: create one with ENCODING 'UTF8'")


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE instance (x int)"],
        ["CREATE TABLE schema_version (v text)"],
        ["CREATE TABLE schema_version (version text)", "INSERT INTO schema_version VALUES ('a')"],
    ],
)
def test_tables_of_another_program(postgres_schema: str, statements: list[str]) -> None:
    execute(postgres_schema, *statements)
    refused(postgres_schema, "the schema has tables of another program: give the index one of its")


def test_a_table_that_is_missing(postgres_schema: str) -> None:
    PostgresIndex(postgres_schema).close()
    execute(postgres_schema, "DROP TABLE hold")
    refused(postgres_schema, "the index has no table hold: restore the database from a back-up")


@pytest.mark.parametrize("more", ["port=abc", "port=99999", "sslmode=maybe", "hots=x"])
def test_a_dsn_that_is_wrong_is_not_waited_for(postgres_dsn: str, more: str) -> None:
    refused(f"{postgres_dsn} {more}", r"archive\.dsn: the database cannot be used: .*")


def test_a_user_who_may_not_log_in(postgres_dsn: str) -> None:
    with made(postgres_dsn, "ROLE locked_out", "NOLOGIN"):
        dsn = postgres_dsn.replace("user=postgres", "user=locked_out")
        refused(dsn, "not permitted to log in")


@pytest.mark.parametrize(
    "text",
    [
        "connection to server failed: FATAL:  the database system is starting up",
        'connection to server failed: FATAL:  too many connections for role "x"',
        "connection to server failed: FATAL:  sorry, too many clients already",
        "connection to server failed: Connection refused",
        "failed to resolve host 'db': [Errno -3] Temporary failure in name resolution",
        'connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory',
    ],
)
def test_what_passes_is_waited_for(text: str) -> None:
    assert not is_wrong(psycopg.OperationalError(text))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('failed: FATAL:  permission denied for database "d"', ": grant its user CONNECT"),
        ("failed: server does not support SSL, but SSL was required", ""),
        ('failed: root certificate file "/x" does not exist', ""),
        ("failed: SSL error: certificate verify failed", ""),
        ('failed: could not load private key file "/x": no start line', ""),
        ('failed: FATAL:  unrecognized configuration parameter "x"', ""),
    ],
)
def test_what_only_a_change_can_mend_is_told(text: str, hint: str) -> None:
    error = psycopg.OperationalError(text)
    assert is_wrong(error)
    assert why_unusable(error).startswith(text + hint)

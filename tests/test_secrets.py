"""No password is printed, however it is written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.config import hide_secrets
from gateway.config.secrets import hide_in_text
from gateway.settings import ArchiveSettings, Settings, WorkerTable


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("host=db user=me password=S3cret dbname=x", "host=db user=me password=*** dbname=x"),
        ("password = 'my S3cret' host=db", "password = *** host=db"),
        (r"password='a\'S3cret' host=db", "password=*** host=db"),
        (r"password=a\ S3cret host=db", "password=*** host=db"),
        ("host=db password='S3cret", "host=db password=***"),
        ("sslpassword=S3cret host=db", "sslpassword=*** host=db"),
        ("postgresql://me:S3cret@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("postgres://me:S3cret@home@db/x", "postgres://me:***@db/x"),
        (
            "postgresql:///x?host=db&password=S3cret&user=me",
            "postgresql:///x?host=db&password=***&user=me",
        ),
        ("postgresql://db/x?user=me", "postgresql://db/x?user=me"),
        ("host=/run/postgresql dbname=x", "host=/run/postgresql dbname=x"),
        ("", ""),
    ],
)
def test_a_connection_string_is_shown_without_its_password(dsn: str, shown: str) -> None:
    assert hide_in_text(dsn) == shown
    settings = replace(Settings(), archive=ArchiveSettings(dsn=dsn))
    assert hide_secrets(settings).archive.dsn == shown


def test_options_of_workers_that_are_secrets_are_hidden() -> None:
    options = {
        "password": "S3cret",
        "depth": 3,
        "upload": {"api_key": "S3cret", "url": "https://me:S3cret@host/", "keys": ["a"]},
    }
    settings = replace(Settings(), workers={"mine": WorkerTable(options=options)})
    shown = hide_secrets(settings).workers["mine"].options
    assert shown == {
        "password": "***",
        "depth": 3,
        "upload": {"api_key": "***", "url": "https://me:***@host/", "keys": ["a"]},
    }


def test_everything_else_is_shown_as_it_is() -> None:
    assert hide_secrets(Settings()) == Settings()

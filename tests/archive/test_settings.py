"""The `[archive]` table of the configuration, as it reaches the workers."""

from __future__ import annotations

import pytest

from gateway.sdk import ConfigError
from gateway.settings import ArchiveSettings, to_map
from workers.archive.opening import archive_settings


def test_whatever_the_configuration_says_arrives():
    table = ArchiveSettings(duplicates="replace", conflict="failure", dsn="x", holder="A")
    settings = archive_settings({"archive": to_map(table), "depth": 3})
    assert settings == table
    assert settings.holder_of_files == "A"


def test_nothing_said_is_the_default():
    assert archive_settings({}) == ArchiveSettings()
    assert ArchiveSettings(holder="A").holder_of_files == ""


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"duplicate": "replace"}, "archive.duplicate = 'replace': there is no such setting"),
        ({"shared": "yes"}, "archive.shared = 'yes': there is no such setting"),
        ({"duplicates": "keep"}, "it must be keep_first or replace or reject"),
        ({"conflict": ""}, "it must be warning or failure"),
    ],
)
def test_what_is_wrong_is_named(table, line):
    with pytest.raises(ConfigError) as error:
        archive_settings({"archive": table})
    assert line in str(error.value)

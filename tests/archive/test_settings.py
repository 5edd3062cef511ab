"""The `[archive]` table of the configuration, as it reaches the workers."""

from __future__ import annotations

import pytest

from gateway import settings as configured
from gateway.sdk import ConfigError
from gateway.settings import to_map
from workers.archive.settings import ArchiveSettings


def test_whatever_the_configuration_says_arrives():
    table = configured.ArchiveSettings(
        duplicates="replace", conflict="failure", dsn="x", holder="A"
    )
    settings = ArchiveSettings.of({"archive": to_map(table), "depth": 3})
    assert to_map(settings) == to_map(table)
    assert settings.holder_of_files == "A"


def test_nothing_said_is_the_default():
    assert ArchiveSettings.of({}) == ArchiveSettings()
    assert to_map(ArchiveSettings()) == to_map(configured.ArchiveSettings())
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
        ArchiveSettings.of({"archive": table})
    assert line in str(error.value)

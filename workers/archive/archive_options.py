"""The `[archive]` table among the options of a worker."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError
from gateway.settings import CONFLICT, DUPLICATES, ArchiveSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


def archive_settings(options: Mapping[str, Any]) -> ArchiveSettings:
    """Return the settings in a worker's options; raises ConfigError for an invalid one."""
    table = options.get("archive", {})
    known = {field.name: type(field.default) for field in fields(ArchiveSettings)}
    for name, value in dict(table).items():
        if name not in known or not isinstance(value, known[name]):
            raise ConfigError(f"archive.{name} = {value!r}: there is no such setting")
    settings = ArchiveSettings(**table)
    for name, value, valid in (
        ("duplicates", settings.duplicates, DUPLICATES),
        ("conflict", settings.conflict, CONFLICT),
    ):
        if value not in valid:
            raise ConfigError(f"archive.{name} = {value!r}: it must be {' or '.join(valid)}")
    return settings

"""The `[archive]` table as the workers and the command find it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from gateway import settings as configured
from gateway.sdk import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ArchiveSettings(configured.ArchiveSettings):
    """The settings that the gateway's configuration has, out of a worker's options."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """From a worker's options; raises ConfigError."""
        table = options.get("archive", {})
        known = {field.name: type(field.default) for field in fields(cls)}
        for name, value in dict(table).items():
            if name not in known or not isinstance(value, known[name]):
                raise ConfigError(f"archive.{name} = {value!r}: there is no such setting")
        settings = cls(**table)
        for name, value, words in (
            ("duplicates", settings.duplicates, configured.DUPLICATES),
            ("conflict", settings.conflict, configured.CONFLICT),
        ):
            if value not in words:
                raise ConfigError(f"archive.{name} = {value!r}: it must be {' or '.join(words)}")
        return settings

    @property
    def holder_of_files(self) -> str:
        """How rows name this gateway: in an index of its own it needs no name."""
        return self.holder if self.dsn else ""

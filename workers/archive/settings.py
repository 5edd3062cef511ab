"""The `[archive]` table as the workers and the command find it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from gateway.sdk import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICIES = ("keep_first", "replace", "reject")
CONFLICT = ("warning", "failure")


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """How the archive deals with what comes, and where its index is."""

    duplicates: str = "keep_first"
    """What happens to another content under the UID of an instance that stands."""
    conflict: str = "warning"
    """With keep_first: how it is answered, once it is set aside."""
    dsn: str = ""
    """The PostgreSQL database of the index; empty: an SQLite file beside the instances."""
    holder: str = ""
    """The AE title under which others fetch from here."""
    shared: bool = False
    """Every gateway of the index reaches the files of all, under the same paths."""
    guard: str = ""
    """A file that is there while the archive's volume is mounted; empty: not looked for."""
    relational: bool = False
    """Offer relational queries (PS3.4 C.4.1.2.2.1)."""

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
            ("duplicates", settings.duplicates, POLICIES),
            ("conflict", settings.conflict, CONFLICT),
        ):
            if value not in words:
                raise ConfigError(f"archive.{name} = {value!r}: it must be {' or '.join(words)}")
        return settings

    @property
    def holder_of_files(self) -> str:
        """How rows name this gateway: in an index of its own it needs no name."""
        return self.holder if self.dsn else ""

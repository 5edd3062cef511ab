"""Open the index of the archive that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sdk import ConfigError
from workers.archive.index import Index, SqliteIndex
from workers.archive.layout import BUCKETS, FOLDER, INDEX

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings import ArchiveSettings


def open_index(data_dir: Path, settings: ArchiveSettings, *, durable: bool = True) -> Index:
    """Return the index that the settings name; raises ConfigError.

    An SQLite file is created only if there are no instances yet: an index that was lost must not be
    replaced by an empty one.
    """
    check_guard(data_dir, settings)
    root = data_dir.absolute() / FOLDER
    if settings.dsn:
        from workers.archive.index.postgres import PostgresIndex

        return PostgresIndex(settings.dsn, durable=durable)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {root}: {error.strerror}") from None
    return SqliteIndex(root / INDEX, durable=durable, create=not has_instances(root))


def has_instances(root: Path) -> bool:
    """Return whether there is any file of an instance."""
    return any(next(root.glob(f"{buckets}/*.dcm"), None) for buckets in BUCKETS)


def guard_of(data_dir: Path, settings: ArchiveSettings) -> Path | None:
    """Return the file that exists only while the volume is mounted; None if none is set."""
    return data_dir.absolute() / settings.guard if settings.guard else None


def check_guard(data_dir: Path, settings: ArchiveSettings) -> None:
    """Raise ConfigError if the volume of the archive is not mounted."""
    guard = guard_of(data_dir, settings)
    if guard is not None and not guard.exists():
        raise ConfigError(
            f"archive.guard: there is no file {guard}: the archive's volume is not mounted. "
            f"On a new volume, create the file"
        )

"""The settings of the archive, and the index that they name."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError, Unavailable
from gateway.settings import (
    CONFLICT,
    DUPLICATES,
    INCOMPLETE,
    PATIENT_MISMATCH,
    STAGE,
    ArchiveSettings,
)
from workers.archive.file_system import not_writable
from workers.archive.index import Index, SqliteIndex
from workers.archive.layout import BUCKETS, FOLDER, INDEX, OBJECTS
from workers.archive.objects.object_place import place_of
from workers.archive.objects.object_store import ObjectStore
from workers.archive.objects.store_failure import StoreFailure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def archive_settings(options: Mapping[str, Any]) -> ArchiveSettings:
    """Return the settings in a worker's options; raises ConfigError for an invalid one."""
    table = dict(options.get("archive", {}))
    if isinstance(table.get("transform"), list):
        table["transform"] = tuple(table["transform"])
    known = {field.name: type(field.default) for field in fields(ArchiveSettings)}
    for name, value in table.items():
        if name not in known or not isinstance(value, known[name]):
            raise ConfigError(f"archive.{name} = {value!r}: there is no such setting")
    settings = ArchiveSettings(**table)
    valid_values = {
        "duplicates": DUPLICATES,
        "conflict": CONFLICT,
        "incomplete": INCOMPLETE,
        "patient_mismatch": PATIENT_MISMATCH,
        "stage": STAGE,
    }
    for name, valid in valid_values.items():
        if (value := getattr(settings, name)) not in valid:
            raise ConfigError(f"archive.{name} = {value!r}: it must be {' or '.join(valid)}")
    return settings


def open_index(data_dir: Path, settings: ArchiveSettings, *, durable: bool = True) -> Index:
    """Return the index that the settings name; raises ConfigError or Unavailable.

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
        raise not_writable(root, error) from None
    path = root / INDEX
    create = not has_instances(root) and (path.exists() or not has_objects(settings))
    return SqliteIndex(path, durable=durable, create=create)


def has_instances(root: Path) -> bool:
    """Return whether there is any file of an instance."""
    return any(next(root.glob(f"{buckets}/*.dcm"), None) for buckets in BUCKETS)


def has_objects(settings: ArchiveSettings) -> bool:
    """Return whether this gateway has any object in the store that the settings name."""
    store = open_store(settings)
    if store is None:
        return False
    try:
        return bool(store.folders(f"{OBJECTS}/{store.place.holder}"))
    except StoreFailure as failure:
        if failure.is_outage:
            raise
        raise ConfigError(str(failure)) from None


def open_store(settings: ArchiveSettings, *, is_hasty: bool = False) -> ObjectStore | None:
    """Return the object store that the settings name, not yet connected to; None: none.

    Raises ConfigError.
    """
    place = place_of(settings)
    if place is None:
        return None
    return ObjectStore(place, ca=settings.store_ca, is_hasty=is_hasty)


def guard_of(data_dir: Path, settings: ArchiveSettings) -> Path | None:
    """Return the file that exists only while the volume is mounted; None if none is set."""
    return data_dir.absolute() / settings.guard if settings.guard else None


def check_guard(data_dir: Path, settings: ArchiveSettings) -> None:
    """Raise Unavailable if the volume of the archive is not mounted."""
    guard = guard_of(data_dir, settings)
    if guard is not None and not guard.exists():
        raise Unavailable(
            f"archive.guard: there is no file {guard}: the archive's volume is not mounted. "
            f"On a new volume, create the file"
        )

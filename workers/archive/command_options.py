"""What the commands of `dicom-gateway archive` share: the archive, and how they print."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.datasets.validation import disable_validation
from gateway.errors import ConfigError
from gateway.free_space import size_text as size_text
from workers.archive.layout import FOLDER, is_object
from workers.archive.opening import archive_settings, open_index
from workers.archive.store_identity import check_store
from workers.archive.stored_files import StoredFiles

if TYPE_CHECKING:
    import typer

    from gateway.settings import ArchiveSettings, RetentionSettings
    from workers.archive.index import Index, IndexEntry


@dataclass(frozen=True, slots=True)
class ArchiveLocation:
    """The archive that a command works on."""

    data_dir: Path
    settings: ArchiveSettings
    retention: RetentionSettings

    @property
    def root(self) -> Path:
        return self.data_dir.absolute() / FOLDER

    def is_elsewhere(self, entry: IndexEntry) -> bool:
        """Return whether only another gateway, which shares the index, has the file."""
        if self.settings.shared or (self.settings.store and is_object(entry.path)):
            return False
        return entry.holder != self.settings.holder_of_files

    def files(self, index: Index | None = None) -> StoredFiles:
        """Return where instances are.

        Raises ConfigError, with an index also if its objects are in another store; then also
        StoreFailure if the store is out of reach.
        """
        files = StoredFiles.of(self.data_dir, self.settings)
        if index is not None:
            check_store(index, files.objects, self.settings)
        return files

    def open_index(self) -> Index:
        return open_index(self.data_dir, self.settings)


def locate(context: typer.Context, config: Path | None, data: str | None) -> ArchiveLocation:
    """Return the archive that the options name.

    Raises ConfigError if there is no data directory, so that a wrong one is not taken for an
    archive that is empty. One whose index and files are elsewhere need not exist.
    """
    disable_validation()
    settings = context.find_root().obj(config, data=data)
    table = asdict(settings.archive)
    table["holder"] = table["holder"] or settings.gateway.ae_title
    known = archive_settings({"archive": table})
    data_dir = Path(settings.gateway.data)
    may_be_absent = bool(known.dsn or known.store) and not os.path.lexists(data_dir)
    if not (os.path.isdir(data_dir) or may_be_absent):
        raise ConfigError(
            f"there is no archive: {data_dir} is not a directory; give the gateway's with --data"
        )
    return ArchiveLocation(data_dir, known, settings.retention)


def print_json(values: dict[str, Any]) -> None:
    print(json.dumps(values))


def printable(text: str) -> str:
    """Return text of a peer without characters that control the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)

"""Where the objects are, as `[archive]` says, and with which key they are reached."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError

if TYPE_CHECKING:
    from gateway.settings import ArchiveSettings

_STORE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._-]+)*)/?")
_ID, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]+)\s*=\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """A bucket, the beginning of all keys in it, and the credentials."""

    bucket: str
    prefix: str
    """Empty, or text that does not end in a slash."""
    holder: str
    """The part of a key that tells the objects of one gateway from those of others."""
    endpoint: str = ""
    """The URL of the service; empty: that of AWS."""
    region: str = ""
    key_id: str = ""
    """Empty: the role that the host has at AWS."""
    secret: str = field(default="", repr=False)
    session: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def place_of(settings: ArchiveSettings) -> ObjectPlace | None:
    """Return where the settings say that objects are; None: everything is in the directory.

    Raises ConfigError for a text that is not `s3://BUCKET/PREFIX`, and for credentials that cannot
    be read.
    """
    if not settings.store:
        return None
    found = _STORE.fullmatch(settings.store)
    if found is None:
        raise ConfigError(
            f"archive.store = {settings.store!r}: it must be s3://BUCKET or s3://BUCKET/PREFIX"
        )
    known = _credentials(settings.store_credentials)
    return ObjectPlace(
        found[1],
        found[2].strip("/"),
        folder_of(settings.holder),
        settings.store_endpoint,
        settings.store_region,
        known.get(_ID, ""),
        known.get(_SECRET, ""),
        known.get(_TOKEN, ""),
    )


def folder_of(holder: str) -> str:
    """Return an AE title as part of a key: any other character than these as =XX."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"={ord(found[0]):02X}", holder) or "gateway"


def _credentials(path: str) -> dict[str, str]:
    """Return the credentials in a file, or in the environment if there is none."""
    if not path:
        return {name: os.environ.get(name, "") for name in (_ID, _SECRET, _TOKEN)}
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"archive.store_credentials: the file {path} cannot be read: {why}"
        ) from None
    lines = (_LINE.fullmatch(line) for line in text.splitlines())
    known = {line[1].upper(): line[2] for line in lines if line is not None}
    if not (known.get(_ID) and known.get(_SECRET)):
        raise ConfigError(
            f"archive.store_credentials: the file {path} needs the lines {_ID}=... and "
            f"{_SECRET}=..."
        )
    return known

"""The options of `[workers.audit]`."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError
from workers.archive.worker_options import options_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SMALLEST = 65_536
"""Bytes from which on a file may be rotated."""
_PORTS = 65_535


def check_options(options: Mapping[str, Any], _destinations: Collection[str]) -> None:
    """Raise ConfigError for an option that is wrong."""
    AuditOptions.of(options)


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """The options of the worker `audit`."""

    folder: str = ""
    """Directory of the files; empty: `audit` in the data directory."""
    rotate_at: int = 16_777_216
    """Size of a file in bytes at which the next one is begun."""
    keep: int = 64
    """Files that are kept; the oldest one goes, whether or not syslog has it."""
    syslog: str = ""
    """HOST:PORT of a syslog server that takes TLS (RFC 5425); empty: files alone."""
    ca: str = ""
    """PEM file with the authority of the server's certificate; empty: those that this system
    trusts."""
    certificate: str = ""
    """PEM file with the certificate that is shown to the server; empty: none."""
    key: str = ""
    """PEM file with its key; empty: it is in the same file."""
    source: str = ""
    """AuditSourceID: the name of this gateway in the messages; empty: the host's name."""
    site: str = ""
    """AuditEnterpriseSiteID; empty: left out."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> AuditOptions:
        """Return the options of the table; raises ConfigError for one that is wrong."""
        found = options_of(cls, options, "audit")
        found.check()
        return found

    def check(self) -> None:
        """Raise ConfigError for a value that cannot be."""
        if self.rotate_at < SMALLEST:
            raise ConfigError(f"audit: rotate_at = {self.rotate_at}: it must be {SMALLEST} or more")
        if self.keep < 2:
            raise ConfigError(f"audit: keep = {self.keep}: it must be 2 or more")
        if self.syslog:
            self.address()
        for name in ("ca", "certificate", "key"):
            if (value := getattr(self, name)) and not self.syslog:
                raise ConfigError(f'audit: {name} = {value!r} needs syslog = "HOST:PORT"')
        if self.key and not self.certificate:
            raise ConfigError(f"audit: key = {self.key!r} needs certificate")

    def address(self) -> tuple[str, int]:
        """Return host and port of the syslog server."""
        host, _, port = self.syslog.rpartition(":")
        if not host or not port.isdecimal() or not 1 <= int(port) <= _PORTS:
            raise ConfigError(
                f'audit: syslog = {self.syslog!r}: it must be "HOST:PORT", such as "audit:6514"'
            )
        return host.strip("[]"), int(port)

    def place(self, data_dir: Path) -> Path:
        """Return the directory of the files."""
        return Path(self.folder) if self.folder else data_dir / "audit"

    def source_id(self) -> str:
        """Return the AuditSourceID."""
        return self.source or socket.gethostname()

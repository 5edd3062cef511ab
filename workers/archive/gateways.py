"""The gateways that share an index: each says in it where the others fetch its files.

A gateway is named by `archive.holder`. Two that use one name would take each other's files for
their own, so the second one is refused at its start. The identity is that of the data directory: a
gateway that was killed and started again is the same one.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError, GatewayError
from workers.archive.index.records import IndexFailure, SharingGateway

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sdk import WorkerContext
    from gateway.settings import ArchiveSettings
    from workers.archive.index import Index

SILENT = 10.0
"""Seconds without a heartbeat after which a gateway counts as down."""
CLOCKS = 5.0
"""Seconds by which the clocks of this host and of the database may differ."""
_IDENTITY = "identity"
_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^:\[\]\s]+))(?::(?P<port>[0-9]{1,5}))?")


class SharedIndexMember:
    """This gateway among those that share the index; `beat` is called every second or so."""

    def __init__(self, index: Index, settings: ArchiveSettings, context: WorkerContext) -> None:
        self._index = index
        self._context = context
        self._identity = identity_of(context.data_dir)
        self._holder = settings.holder_of_files
        self._host, self._port = parse_address(settings.fetch_address)
        self._listens: tuple[str, int] | None = None
        self._title = self._holder

    def enter(self) -> None:
        """Check that this host may use the index; raises ConfigError if not."""
        before = time.time()
        there = self._index.clock()
        # The answer may have been long under way.
        away = max(before - there, there - time.time())
        if away > CLOCKS:
            raise ConfigError(
                f"this host's clock differs from the database's by {away:.0f} s: set both by "
                "NTP, because times of receipt decide which instance is the newest"
            )
        if not self._note():
            other = self._index.gateways().get(self._holder)
            raise ConfigError(
                f"archive.holder: another gateway, at {other.address if other else 'another host'},"
                f" uses the index as {self._holder}: give each gateway a name of its own"
            )

    def beat(self) -> str:
        """Let the others know that this gateway is alive, and where; never raises.

        Returns why it must not go on: another one has taken its name while it was silent.
        """
        with suppress(IndexFailure):  # which is told of elsewhere
            if not self._note():
                return f"another gateway uses the index as {self._holder} too: see archive.holder"
        return ""

    def _note(self) -> bool:
        if self._listens is None:
            self._listens = self._look_where()
        host, port = self._listens or ("", 0)
        own = SharingGateway(
            self._holder,
            self._identity,
            self._title,
            self._host or host,
            self._port or port,
            bool(self._context.tls.certificate),
        )
        return self._index.note_gateway(own, SILENT)

    def _look_where(self) -> tuple[str, int] | None:
        try:
            status = self._context.gateway_status()
        except GatewayError:  # it may be starting
            return None
        host, port = status["address"]
        self._title = status["ae_title"]
        return ("" if host in ("", "0.0.0.0", "::") else str(host)), int(port)


def identity_of(data_dir: Path) -> str:
    """Return the identity of a data directory, which is made up at its first use."""
    path = data_dir / _IDENTITY
    with suppress(FileExistsError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_hex(16))
    return path.read_text()


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `archive.fetch_address`; raises ConfigError for an invalid one."""
    if not text:
        return "", 0
    found = _ADDRESS.fullmatch(text)
    port = int(found["port"] or 0) if found else 0
    is_port = found is not None and (found["port"] is None or 0 < port <= 0xFFFF)
    if found is None or not is_port or not (found["v6"] is None or _is_v6(found["v6"])):
        raise ConfigError(
            f"archive.fetch_address = {text!r}: it must be HOST or HOST:PORT, with brackets around "
            "an IPv6 address"
        )
    return found["v6"] or found["host"], port


def _is_v6(text: str) -> bool:
    """Return whether this is an IPv6 address that other hosts can use: one without a scope."""
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False

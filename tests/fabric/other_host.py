"""A gateway that listens for workers on other hosts, on loopback: its keys, and a worker's."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING

from gateway.fabric.acceptor.allowed_keys import ALLOWED_KEYS, LISTS
from gateway.fabric.wire import curve_keys
from gateway.fabric.wire.curve_keys import GATEWAY_KEY
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from gateway.fabric.wire.curve_keys import KeyPair
    from gateway.settings import FabricSettings

PORTS = 8
"""Two for each of four acceptors."""
EVERYTHING = {name: ["*"] for name in LISTS}


class OtherHost(PosixPath):
    """The run directory of a gateway that is reached over TCP with CURVE.

    It is passed where the run directory of a gateway of this host is.
    """

    port = 0

    @property
    def keys(self) -> Path:
        return Path(self, "keys")

    def prepare(self) -> OtherHost:
        """Make the gateway's key, and a worker's that may do everything under the name *w*."""
        self.port = free_port(PORTS)
        self.gateway = curve_keys.generate()
        curve_keys.write(self.keys / GATEWAY_KEY, self.gateway)
        self.write_allowed()
        return self

    def write_allowed(self, *rows: str) -> None:
        path = self.keys / ALLOWED_KEYS
        draft = path.with_name("draft")
        draft.touch(0o600)
        draft.write_text("\n".join(rows))
        os.replace(draft, path)

    def allow(self, worker: str, pair: KeyPair | None = None, **rights: list[str]) -> KeyPair:
        """Allow one more key, by default with all rights; return the pair."""
        pair = pair or curve_keys.generate()
        path = self.keys / ALLOWED_KEYS
        granted = rights or EVERYTHING
        lists = "".join(f"{name} = {value!r}\n" for name, value in granted.items())
        row = f'[[allow]]\nkey = "{pair.public.hex()}"\nworker = "{worker}"\n{lists}'
        self.write_allowed(path.read_text(), row)
        return pair

    def listening(self, settings: FabricSettings) -> FabricSettings:
        """Return the settings of an acceptor."""
        return replace(settings, listen=f"tcp://127.0.0.1:{self.port}", keys=str(self.keys))

    def connecting(self, settings: FabricSettings, worker: str = "w") -> FabricSettings:
        """Return the settings of a worker with this name, whose key is allowed if it is new."""
        file = self.keys / f"{worker}.key"
        if not file.exists():
            curve_keys.write(file, self.allow(worker))
        return self.connecting_with(settings, file)

    def connecting_with(self, settings: FabricSettings, file: Path) -> FabricSettings:
        return replace(
            settings,
            connect=f"tcp://127.0.0.1:{self.port}",
            server_key=self.gateway.public.hex(),
            key_file=str(file),
        )


def listening(settings: FabricSettings, run_dir: Path) -> FabricSettings:
    """Return the settings of an acceptor there."""
    return run_dir.listening(settings) if isinstance(run_dir, OtherHost) else settings

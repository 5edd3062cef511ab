"""Tells systemd how the gateway is, in a unit with `Type=notify` (sd_notify(3)).

Without such a unit nothing is sent.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class ServiceManager:
    """The service manager that started this process, if any; its variables are not inherited."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._path = environment.pop("NOTIFY_SOCKET", "")
        interval = environment.pop("WATCHDOG_USEC", "")
        environment.pop("WATCHDOG_PID", None)
        self._pause = int(interval) / 2e6 if interval.isdecimal() else 0.0
        """Seconds between two signs of life; 0: none is wanted."""

    def ready(self, text: str) -> None:
        self._send("READY=1", f"STATUS={text}")

    def reloading(self) -> None:
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    async def keep_alive(self) -> None:
        """Give signs of life from this event loop, for ever."""
        while self._pause:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._pause)

    def _send(self, *lines: str) -> None:
        if not self._path:
            return
        path = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), path)

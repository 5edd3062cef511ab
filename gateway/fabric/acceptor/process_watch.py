"""Notices at once when a local worker process dies."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SETTLE = 0.02
"""Seconds for what the process sent before its death to arrive."""


class ProcessWatcher:
    """Calls `gone(peer)` soon after the peer's process died.

    Where pidfd_open is missing or fails, only the heartbeats notice a death, and later.
    """

    def __init__(self, gone: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._gone = gone
        self._descriptors: dict[bytes, int] = {}

    def watch(self, peer: bytes, pid: int) -> None:
        self.unwatch(peer)
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._loop.call_later(_SETTLE, self._gone, peer)
            return
        except (OSError, AttributeError):
            return
        self._descriptors[peer] = descriptor
        self._loop.add_reader(descriptor, self._died, peer)

    def unwatch(self, peer: bytes) -> None:
        descriptor = self._descriptors.pop(peer, None)
        if descriptor is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)

    def close(self) -> None:
        for peer in list(self._descriptors):
            self.unwatch(peer)

    def _died(self, peer: bytes) -> None:
        self.unwatch(peer)
        self._loop.call_later(_SETTLE, self._gone, peer)

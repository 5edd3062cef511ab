"""The place of an acceptor in a run directory: its sockets' files, and the lock of its number."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import zmq

from gateway.errors import FabricError
from gateway.fabric.wire import address

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger("gateway.fabric")


class AcceptorPlace:
    """Locks the number `index`; raises FabricError if it is taken or the directory is not safe."""

    def __init__(self, run_dir: Path, index: int) -> None:
        self._run_dir = run_dir
        self._index = index
        self._address = address.prepare(run_dir, index)
        self.has_neighbours = any(a.lives for a in address.find(run_dir) if a.index != index)
        """Whether other acceptors lived there at that moment."""
        self._lock = address.lock(run_dir, index)
        self._sockets: tuple[zmq.Socket[bytes], zmq.Socket[bytes]] | None = None
        self.trouble = ""
        """What is wrong at present, in words; empty: nothing."""

    @property
    def name(self) -> str:
        return self._address.name

    def bind(self, router: zmq.Socket[bytes], xpub: zmq.Socket[bytes]) -> None:
        """Bind the sockets; raises FabricError."""
        self._sockets = router, xpub
        try:
            router.bind(f"ipc://{self._address.requests}")
            xpub.bind(f"ipc://{self._address.events}")
        except zmq.ZMQError as error:
            raise FabricError(f"cannot bind at {self._address.home}: {error}") from error

    def restore(self) -> None:
        """Make the files again if they were deleted: no worker finds this acceptor without them."""
        if self._sockets is None or all(
            path.exists() for path in (self._address.requests, self._address.events)
        ):
            return
        try:
            self._address = address.prepare(self._run_dir, self._index)
            if not os.fstat(self._lock).st_nlink:
                lock = address.lock(self._run_dir, self._index)
                os.close(self._lock)
                self._lock = lock
            self.bind(*self._sockets)
        except (FabricError, OSError) as error:
            self.trouble = f"the sockets at {self._run_dir} are gone: {error}"
        else:
            self.trouble = ""
            logger.error("the sockets at %s were deleted: made again", self._run_dir)

    def leave(self) -> None:
        """Delete the files, and unlock the number."""
        address.remove(self._address, self._run_dir)
        self.unlock()

    def unlock(self) -> None:
        os.close(self._lock)

"""The acceptor of a server: a process, or an event loop in a thread of this one.

It is a process unless the program passes a bare SSLContext, which cannot be handed to another
process; `gateway.tls_context` makes one that can.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Protocol

from gateway.acceptor.server import Acceptor
from gateway.errors import GatewayError
from gateway.loop_thread import LoopThread
from gateway.process import Launched, describe_exit, launch
from gateway.settings import to_map

if TYPE_CHECKING:
    import socket
    import ssl

    from gateway.settings import AcceptorSettings

log = logging.getLogger("gateway.facade")

START_TIMEOUT = 15.0
"""Seconds for an acceptor to start."""
STOP_MARGIN = 5.0
"""Seconds beyond the drain timeout after which an acceptor is killed."""


class RunningAcceptor(Protocol):
    """An acceptor in a process or thread."""

    def start(self) -> None:
        """Return when connections are accepted; raise RuntimeError with the reason if not."""

    def stop(self) -> None:
        """Finish what is in progress, and return when the acceptor is gone."""

    def restart_if_dead(self) -> None:
        """Start the acceptor again if it has died."""

    def adopt(self, settings: AcceptorSettings) -> None:
        """Return when other settings hold for associations that begin later."""


class AcceptorProcess:
    """`python -m gateway.acceptor`, exec'ed."""

    def __init__(self, settings: AcceptorSettings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._child: Launched | None = None
        self._lock = threading.Lock()
        self._stopped = False
        self._revision = settings.revision

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        name = self._settings.name
        fds = {"listen": self._listener.fileno()}
        child = launch("gateway.acceptor", name=name, settings=to_map(self._settings), fds=fds)
        try:
            report = child.next_report(START_TIMEOUT)
        except BaseException as error:
            _kill(child)
            if isinstance(error, TimeoutError):
                raise RuntimeError(f"the acceptor did not start: {error}") from None
            raise
        if report is None or "error" in report:
            status = _kill(child)
            why = report["error"] if report else describe_exit(status)
            raise RuntimeError(f"the acceptor did not start: {why}")
        self._child = child

    def restart_if_dead(self) -> None:
        with self._lock:
            child = self._child
            if self._stopped or child is None or not child.is_gone:
                return
            log.error("the acceptor died (%s): starting it again", describe_exit(child.wait()))
            child.close()
            self._child = None
            try:
                self.start()
            except RuntimeError:
                log.exception("the acceptor cannot be started again")

    def adopt(self, settings: AcceptorSettings) -> None:
        with self._lock:
            self._settings = settings
            self._revision += 1
            if (child := self._child) is not None:
                child.order(check=to_map(settings), revision=self._revision)
                child.order(apply=self._revision)
                self._wait_until_applied(child)

    def _wait_until_applied(self, child: Launched) -> None:
        try:
            while (report := child.next_report(START_TIMEOUT)) is not None:
                if why := report.get("refused"):
                    log.error("the acceptor does not take other settings: %s", why)
                    return
                if report.get("applied") == self._revision:
                    return
        except TimeoutError as error:
            log.error("other settings are not in force yet: %s", error)  # noqa: TRY400 - no bug here

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(self._settings.drain_timeout + STOP_MARGIN)
        except TimeoutError:
            log.error("the acceptor does not stop: killing it")  # noqa: TRY400 - no bug here
            child.kill()
            child.wait()
        child.close()


def _kill(child: Launched) -> int:
    child.kill()
    status = child.wait()
    child.close()
    return status


class AcceptorThread:
    """The same acceptor on an event loop in a thread."""

    pid = os.getpid()

    def __init__(
        self, settings: AcceptorSettings, listener: socket.socket, tls: ssl.SSLContext
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._tls = tls
        self._thread: LoopThread | None = None
        self._acceptor: Acceptor | None = None

    def start(self) -> None:
        self._thread = LoopThread("acceptor")
        try:
            self._thread.begin(self._start()).result(START_TIMEOUT)
        except GatewayError as error:
            self.stop()
            raise RuntimeError(f"the acceptor did not start: {error}") from error

    async def _start(self) -> None:
        listener = self._listener.dup()  # the loop closes the socket that it gets
        acceptor = Acceptor(self._settings, listener, tls=self._tls)
        await acceptor.start()
        self._acceptor = acceptor

    def restart_if_dead(self) -> None:
        """A thread does not die by itself."""

    def adopt(self, settings: AcceptorSettings) -> None:
        if self._thread is not None and self._acceptor is not None:
            self._thread.call(self._acceptor.prepare(settings))

    def stop(self) -> None:
        if self._thread is None:
            return
        if self._acceptor is not None:
            self._thread.run(self._acceptor.stop())
        self._thread.stop()
        self._thread.join()

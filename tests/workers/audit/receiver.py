"""A syslog server over TLS that keeps what it gets (RFC 5425)."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tests.patience import WALL

if TYPE_CHECKING:
    from pathlib import Path


class SyslogReceiver:
    """Listens on loopback; `certificate` is a PEM file with certificate and key."""

    def __init__(self, certificate: Path, ca: Path | None = None, port: int = 0) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if ca is not None:
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", port))
        self._context = context
        self._connections: list[ssl.SSLSocket] = []
        self._changed = threading.Condition()
        self.messages: list[str] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(WALL)

    def wait_for(self, number: int) -> list[str]:
        """Return the messages once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.messages) >= number, WALL), self.messages
            return list(self.messages)

    def wait_for_text(self, text: str) -> str:
        """Return the first message with a text."""

        def found() -> str | None:
            return next((one for one in self.messages if text in one), None)

        with self._changed:
            assert self._changed.wait_for(lambda: found() is not None, WALL), self.messages
            message = found()
            assert message is not None
            return message

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                connection = self._context.wrap_socket(plain, server_side=True)
            except OSError:
                plain.close()
                continue
            self._connections.append(connection)
            with suppress(OSError, ValueError):
                self._read(connection)

    def _read(self, connection: ssl.SSLSocket) -> None:
        file = connection.makefile("rb")
        while True:
            digits = b""
            while (byte := file.read(1)) and byte != b" ":
                digits += byte
            if not byte:
                return
            message = file.read(int(digits)).decode("utf-8")
            with self._changed:
                self.messages.append(message)
                self._changed.notify_all()

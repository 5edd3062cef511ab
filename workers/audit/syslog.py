"""Syslog over TLS: RFC 5424 messages in RFC 5425 frames, as PS3.15 A.6 demands.

Syslog has no receipts. A message counts as sent when the server's system has acknowledged its bytes
(TCP), so what was under way when a connection broke is sent again: a message may arrive twice.
"""

from __future__ import annotations

import fcntl
import logging
import select
import socket
import ssl
import struct
import termios
import threading
import time
from typing import TYPE_CHECKING

from gateway.tls_words import explain_handshake
from workers.audit.audit_message import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.audit.trail import Trail

log = logging.getLogger("workers.audit")

PRIORITY = 10 * 8 + 5
"""Facility 10, security messages; severity 5, notice (PS3.15 A.6)."""
MESSAGE_ID = "DICOM+RFC3881"
APP_NAME = "dicom-gateway"
_HEADER_END = b" - <?xml"
_BOM = b"\xef\xbb\xbf"

CONNECT_TIMEOUT = 10.0
SEND_TIMEOUT = 30.0
"""Seconds until a server that does not take what was sent is given up."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 60.0
"""Seconds between two attempts to connect; the time doubles."""
IDLE = 1.0
"""Seconds between two looks at an idle connection."""
_LOOK = 0.01


def line(xml: str, host: str, process: int) -> str:
    """Return a message of RFC 5424, without the byte order mark that it has on the wire."""
    now = timestamp(None)
    return f"<{PRIORITY}>1 {now} {host or '-'} {APP_NAME} {process} {MESSAGE_ID} - {xml}"


def frame(message: bytes) -> bytes:
    """Return a line of the trail as it goes over the wire (RFC 5425 4.3, RFC 5424 6.4)."""
    encoded = message.replace(_HEADER_END, b" - " + _BOM + b"<?xml", 1)
    return str(len(encoded)).encode() + b" " + encoded


class SyslogSender:
    """Sends what is in the trail, in a thread of its own.

    `tell` is called with what is wrong, in words, and with an empty text when it works.
    """

    def __init__(
        self,
        trail: Trail,
        address: tuple[str, int],
        context: ssl.SSLContext,
        tell: Callable[[str], None],
    ) -> None:
        self._trail, self._address, self._context, self._tell = trail, address, context, tell
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._work, name="syslog", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End; what waits is sent first, if that takes no longer than `timeout` seconds."""
        end = time.monotonic() + timeout
        while self._trail.waiting() and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(_LOOK)
        self._leave.set()
        self._thread.join(max(0.0, end - time.monotonic()) + IDLE)

    def _work(self) -> None:
        delay = FIRST_DELAY
        while not self._leave.is_set():
            try:
                with self._connect() as connection:
                    self._tell("")
                    delay = FIRST_DELAY
                    self._send_all(connection)
            except OSError as error:
                host, port = self._address
                self._tell(f"syslog server {host}:{port}: {explain_handshake(error)}")
            self._leave.wait(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    def _connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(self._address, CONNECT_TIMEOUT)
        try:
            plain.settimeout(CONNECT_TIMEOUT)
            connection = self._context.wrap_socket(plain, server_hostname=self._address[0])
        except BaseException:
            plain.close()
            raise
        connection.settimeout(SEND_TIMEOUT)
        return connection

    def _send_all(self, connection: ssl.SSLSocket) -> None:
        """Send until the connection ends, which raises OSError, or the worker stops."""
        while not self._leave.is_set():
            _check_open(connection)
            if not self._trail.waiting(IDLE):
                continue
            lines, cursor = self._trail.next_lines()
            if lines:
                connection.sendall(b"".join(map(frame, lines)))
                _wait_for_acknowledgement(connection)
            self._trail.sent(cursor)


def _check_open(connection: ssl.SSLSocket) -> None:
    """Raise OSError if the server has closed the connection; what it sends is dropped."""
    connection.settimeout(0.0)
    try:
        while True:
            if not connection.recv(4096):
                raise ConnectionError("the server closed the connection")
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
        return
    finally:
        connection.settimeout(SEND_TIMEOUT)


def _wait_for_acknowledgement(connection: ssl.SSLSocket) -> None:
    """Return once the other system has all bytes that were sent; raises OSError."""
    end = time.monotonic() + SEND_TIMEOUT
    while True:
        (waiting,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))
        if not waiting:
            return
        if time.monotonic() > end:
            raise TimeoutError(f"the server has not read for {SEND_TIMEOUT:.0f} s")
        select.select([connection], [], [], _LOOK)
        _check_open(connection)

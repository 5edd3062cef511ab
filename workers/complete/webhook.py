"""A webhook: an HTTP POST for each line, signed as Standard Webhooks says.

The headers are `webhook-id` (the same for each attempt of a line, so that a receiver can tell a
repetition), `webhook-timestamp` (seconds of the epoch) and `webhook-signature`: `v1,` and the
base64 of the HMAC-SHA256 of "ID.TIMESTAMP.BODY" with the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.sdk import ConfigError
from gateway.tls_words import explain_handshake
from workers.archive.index.notes import COMPLETE
from workers.complete.deliverer import NotTaken

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 10.0
"""Seconds for the connection, and for each read of the response."""
LONGEST = 30.0
"""Seconds for the response as a whole, which may come byte by byte."""
SHORTEST_SECRET = 24
"""Bytes, as Standard Webhooks asks for."""
_PREFIX = "whsec_"
_LATER = (408, 425, 429)
"""Statuses of the class 4xx after which a repetition may succeed."""


class Webhook:
    """The receiver of one `[[workers.complete.options.webhooks]]`."""

    def __init__(
        self,
        url: str,
        secret: bytes,
        kinds: tuple[str, ...] = (COMPLETE,),
        *,
        ca: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        parts = urlsplit(url)
        self.name = f"webhook-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
        self.place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.kinds = kinds
        self._is_tls, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secret = secret
        self._tls = ssl.create_default_context(cafile=ca or None) if self._is_tls else None
        self._clock = clock

    @classmethod
    def of(cls, table: dict[str, Any]) -> Webhook:
        """Return the webhook of a table of the configuration; raises ConfigError."""
        unknown = table.keys() - {"url", "secret_file", "kinds", "ca"}
        if unknown:
            raise ConfigError(f"complete: webhooks: there is no option {sorted(unknown)[0]!r}")
        url = table.get("url", "")
        if not isinstance(url, str) or not _is_url(url):
            raise ConfigError("complete: webhooks: url must be http://HOST/... or https://HOST/...")
        try:
            return cls(
                url, read_secret(table.get("secret_file")), kinds_of(table), ca=table.get("ca", "")
            )
        except (OSError, TypeError) as error:  # of the CA's file
            raise ConfigError(f"complete: webhooks: ca = {table['ca']!r}: {error}") from None

    def send(self, seq: int, message: dict[str, Any]) -> None:
        """Deliver one line; raises NotTaken."""
        body = json.dumps(message, separators=(",", ":")).encode()
        connection = self._connect()
        overdue = _Overdue()
        try:
            connection.connect()
            overdue.start(connection.sock)
            connection.request("POST", self._target, body, self._headers(seq, message, body))
            with connection.getresponse() as response:
                response.read(65_536)
        except (OSError, http.client.HTTPException) as error:
            overrun = f"no whole answer within {LONGEST:g} s" if overdue.is_over else ""
            raise NotTaken(f"{self.place}: {overrun or _words(error)}") from None
        finally:
            overdue.cancel()
            connection.close()
        if not 200 <= response.status < 300:
            is_refusal = 400 <= response.status < 500 and response.status not in _LATER
            text = f"{self.place} answered {response.status}"
            raise NotTaken(text, is_refusal=is_refusal, reason=str(response.status))

    def close(self) -> None:
        """Nothing is open between two lines."""

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(
                self._host or "", self._port, timeout=TIMEOUT, context=self._tls
            )
        return http.client.HTTPConnection(self._host or "", self._port, timeout=TIMEOUT)

    def _headers(self, seq: int, message: dict[str, Any], body: bytes) -> dict[str, str]:
        name, now = f"{message['gateway']}-{seq}", str(int(self._clock()))
        return {
            "Content-Type": "application/json",
            "User-Agent": "dicom-gateway",
            "webhook-id": name,
            "webhook-timestamp": now,
            "webhook-signature": signature(self._secret, name, now, body),
        }


class _Overdue:
    """Ends an exchange that takes too long, however little of it comes at a time."""

    def __init__(self) -> None:
        self._timer = threading.Timer(LONGEST, self._end)
        self._timer.daemon = True
        self._socket: socket.socket | None = None
        self.is_over = False

    def start(self, connected: socket.socket) -> None:
        """Begin; the connection forgets its socket before a body that ends with it is read."""
        self._socket = connected
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()
        self._socket = None

    def _end(self) -> None:
        self.is_over, connected = True, self._socket
        if connected is not None:
            with suppress(OSError):  # it is closed
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


def signature(secret: bytes, name: str, timestamp: str, body: bytes) -> str:
    """Return the value of `webhook-signature`."""
    signed = f"{name}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, 'sha256')).decode()}"


def kinds_of(table: dict[str, Any]) -> tuple[str, ...]:
    """Return the kinds of lines that a table names; raises ConfigError."""
    kinds = table.get("kinds", [COMPLETE])
    if not isinstance(kinds, list) or not all(isinstance(one, str) and one for one in kinds):
        raise ConfigError(f"complete: kinds = {kinds!r}: it must be a list such as ['complete']")
    return tuple(kinds)


def read_secret(path: Any) -> bytes:
    """Return the secret in a file, `whsec_` and base64 or plain bytes; raises ConfigError."""
    if not isinstance(path, str) or not path:
        raise ConfigError("complete: webhooks: secret_file must be the path of a file")
    try:
        text = Path(path).read_bytes().strip()
        if text.startswith(_PREFIX.encode()):
            text = base64.b64decode(text.removeprefix(_PREFIX.encode()), validate=True)
    except OSError as error:
        why = error.strerror
        raise ConfigError(f"complete: webhooks: secret_file = {path!r}: {why}") from None
    except ValueError:
        raise ConfigError(f"complete: webhooks: {path} has no base64 after {_PREFIX}") from None
    if len(text) < SHORTEST_SECRET:
        raise ConfigError(
            f"complete: webhooks: the secret in {path} has {len(text)} bytes; "
            f"it needs {SHORTEST_SECRET}: openssl rand -base64 32"
        )
    return text


def _words(error: OSError | http.client.HTTPException) -> str:
    if isinstance(error, ssl.SSLError):
        return explain_handshake(error)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

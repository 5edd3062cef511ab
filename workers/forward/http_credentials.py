"""What is sent as `Authorization`: a password, a token, or a token for client credentials.

Secrets are read from their files when they are needed, so that a new one needs no reload. They are
in no message.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote_plus, urlencode

from gateway.destination_settings import read_secret, service_at
from gateway.sdk import ConfigError
from workers.forward.http_connection import HttpConnection, NoHttpAnswer
from workers.forward.outcomes import SendVerdict

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from gateway.requestor import Timeouts
    from gateway.settings import Destination
    from workers.forward.stow_answer import StowAnswer

_MARGIN, _SHARE = 60.0, 0.2
"""A token is renewed so many seconds before its end, or this share of its time if it is short."""


class Credentials(Protocol):
    """The source of one destination's credentials; for several threads."""

    def header(self) -> str:
        """Return the value of `Authorization`, empty for none; raises NoHttpAnswer."""
        ...

    def renew(self, refused: str) -> bool:
        """Return whether there is another value after one was refused; raises NoHttpAnswer."""
        ...


@dataclass
class StoredSecret:
    """No credentials, basic authentication (RFC 7617), or a token in a file (RFC 6750)."""

    entry: Destination

    def header(self) -> str:
        one = self.entry
        if one.user:
            pair = f"{one.user}:{_secret(one.password_file, 'password_file')}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return f"Bearer {_secret(one.token_file, 'token_file')}" if one.token_file else ""

    def renew(self, refused: str) -> bool:
        return self.header() != refused


@dataclass
class ClientCredentials:
    """A token of an OAuth 2.0 server (RFC 6749 4.4), kept until shortly before its end."""

    entry: Destination
    tls: ssl.SSLContext | None = None
    timeouts: Timeouts | None = None
    clock: Callable[[], float] = time.monotonic
    _token: str = ""
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def header(self) -> str:
        with self._lock:
            if not self._token or self.clock() >= self._until:
                self._token, self._until = self._fetch()
            return f"Bearer {self._token}"

    def renew(self, refused: str) -> bool:
        with self._lock:
            if refused == f"Bearer {self._token}":
                self._token = ""
        return self.header() != refused

    def _fetch(self) -> tuple[str, float]:
        """Return a token, and when it is to be renewed."""
        one = self.entry
        service = service_at(one.oauth_url)
        asked = {"grant_type": "client_credentials"}
        asked |= {"scope": one.oauth_scope} if one.oauth_scope else {}
        body = urlencode(asked).encode()
        names = one.oauth_client, _secret(one.oauth_secret_file, "oauth_secret_file")
        pair = ":".join(map(quote_plus, names)).encode()  # RFC 6749 2.3.1
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)),
            "Accept": "application/json",
        }
        connection = HttpConnection(service, self.tls, timeouts=self.timeouts)
        try:
            answer = connection.post(service.path or "/", headers, lambda: (body,))
        except NoHttpAnswer as error:
            raise _no_token(str(error)) from None
        finally:
            connection.close()
        token, lifetime = _token_in(answer, service.place)
        margin = min(_MARGIN, _SHARE * lifetime)
        return token, self.clock() + lifetime - margin


def _token_in(answer: StowAnswer, place: str) -> tuple[str, float]:
    """Return the token and its lifetime in seconds (RFC 6749 5.1)."""
    try:
        told = json.loads(answer.body)
        if answer.status == 200:
            token, lifetime = told["access_token"], float(told.get("expires_in") or "inf")
            if isinstance(token, str) and token.isascii() and token.isprintable() and lifetime > 0:
                return token, lifetime
        why = str(told.get("error", ""))[:100]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        why = ""
    text = f"{place} answered HTTP {answer.status}"
    if why.isprintable() and why:
        text += f" ({why})"
    raise _no_token(text if why or answer.status != 200 else f"{text} without a token")


def _no_token(why: str) -> NoHttpAnswer:
    return NoHttpAnswer(SendVerdict.NO_ROUTE, f"no token from oauth_url: {why}")


def _secret(path: str, what: str) -> str:
    try:
        return read_secret(path, what)
    except ConfigError as error:
        raise NoHttpAnswer(SendVerdict.NO_ROUTE, str(error)) from None


def credentials_of(
    entry: Destination, tls: ssl.SSLContext | None, timeouts: Timeouts | None
) -> Credentials:
    """Return the source of a destination's credentials."""
    if entry.oauth_url:
        return ClientCredentials(entry, tls, timeouts)
    return StoredSecret(entry)

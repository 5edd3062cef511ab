"""Who may look: whoever has the token, from a page of this server.

The token is in the address that `dicom-gateway serve` prints. The first request with it gets a
cookie and is sent on to the address without it, so that it does not stay in histories and logs. A
`Host` of another name is refused, because a foreign page may have its own name resolve to this
address (DNS rebinding), and so is an `Origin` that is not this server, because a browser sends the
cookie for any page that asks it to.
"""

from __future__ import annotations

import fcntl
import hmac
import ipaddress
import os
import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from gateway.sdk import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gateway.settings import DicomWebSettings, WebSettings

COOKIE = "dicom_gateway_token"
SESSION = "dicom_gateway_session"
"""The cookie with the name of a session, for the log."""
_SESSION = re.compile(r"[0-9a-f]{8}")
FILE = "web-token"
_RANDOM = 24
"""Bytes of a token, which base64 makes longer by a third."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
_KNOWN = 64
"""Host names of which it is remembered whether they are this server's."""
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


def token_in(run_dir: Path) -> str:
    """Return the token of this gateway, which is made when there is none yet.

    It is in a file of the run directory, which belongs to one user, so that a worker that is
    started again keeps it. A file that was not written whole, as on a full disk, has no token: an
    empty one would let everybody in. Raises OSError if none can be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(run_dir / FILE, flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # several workers may start at the same time
        found = os.pread(handle, 1024, 0).decode("ascii", "replace").strip()
        if _TOKEN.fullmatch(found):
            return found
        token = secrets.token_urlsafe(_RANDOM)
        os.ftruncate(handle, 0)
        os.pwrite(handle, token.encode(), 0)
        return token
    finally:
        os.close(handle)


def new_session() -> str:
    """Return a name for a browser that has shown the token."""
    return secrets.token_hex(4)


def session_of(cookies: Mapping[str, str]) -> str:
    """Return the name of the session that a request belongs to; "none" if it is not valid."""
    name = cookies.get(SESSION, "")
    return name if _SESSION.fullmatch(name) else "none"


class Access:
    """Decides about requests; `names` are further host names that this server is reached by."""

    def __init__(self, token: str, names: tuple[str, ...] = (), *, is_local: bool = True) -> None:
        self._token = token
        self._names = frozenset(name.lower() for name in names)
        self._is_local = is_local
        """Whether it listens at a loopback address only."""
        self._known: dict[str, bool] = {}
        """Whether hosts that requests named are this server."""

    def has_token(self, given: str | None) -> bool:
        """Return whether this is the token; takes the same time for all that are not."""
        mine = self._token.encode()
        return bool(given and mine) and hmac.compare_digest(str(given).encode(), mine)

    def refusal(self, headers: Mapping[str, str], *, changes: bool) -> str:
        """Return why a request is refused for where it comes from; empty: it is not.

        `changes`: the request has an effect, as POST.
        """
        host = headers.get("host", "")
        if not self._is_mine(host):
            return (
                f"{host or 'no host name'!r} is not a name of this server: use its address, "
                f"or state the name in the setting `names`"
            )
        origin = headers.get("origin")
        if origin is not None and _parts(origin).netloc.lower() != host.lower():
            return "the request comes from another site's page"
        if (
            changes
            and origin is None
            and headers.get("sec-fetch-site") not in (None, "same-origin")
        ):
            return "the request comes from another site's page"
        return ""

    def _is_mine(self, host: str) -> bool:
        if host not in self._known:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[host] = self._looked_at(host)
        return self._known[host]

    def _looked_at(self, host: str) -> bool:
        name = _parts(f"//{host}").hostname or ""
        if name in self._names or name in _LOCAL_NAMES:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # An address cannot be made to point elsewhere; beyond loopback every interface is served.
        return address.is_loopback or not self._is_local


def check_exposure(table: str, settings: WebSettings | DicomWebSettings) -> None:
    """Raise ConfigError if what a worker serves would be readable for others on its way."""
    if not (is_loopback(settings.host) or settings.certificate or settings.behind_proxy):
        raise ConfigError(
            f"{table}.host = {settings.host!r}: beyond loopback it needs TLS. Set "
            f"{table}.certificate, or {table}.behind_proxy = true if a proxy in front does TLS"
        )


def joined(host: str, port: int) -> str:
    """Return HOST:PORT, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether an address or name is this host's own, unreachable for others."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parts(text: str) -> SplitResult:
    """Return an address in parts; one that is not valid has none."""
    try:
        return urlsplit(text)
    except ValueError:
        return urlsplit("")

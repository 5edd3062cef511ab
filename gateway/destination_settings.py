"""The settings of `[destinations]`: where instances are sent, by DIMSE or by STOW-RS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from gateway.errors import ConfigError
from gateway.uid import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PORTS = {"http": 80, "https": 443}


class ServiceAddress(NamedTuple):
    """The parts of the URL of an HTTP service."""

    is_tls: bool
    host: str
    port: int
    path: str
    """Without a slash at the end."""

    @property
    def place(self) -> str:
        """The service in messages: scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}"


def service_at(url: str) -> ServiceAddress:
    """Return the parts of a URL; raises ValueError if it is not one of a service.

    A name and a password in it are refused: they would be shown wherever the URL is.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError("it must be http://HOST/... or https://HOST/...")
    if parts.query or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("it must be printable ASCII, without a query or fragment")
    port = parts.port or _PORTS[parts.scheme]
    return ServiceAddress(parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/"))


def is_service_url(text: str) -> bool:
    """Return whether a text is the URL of an HTTP service."""
    try:
        service_at(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Destination:
    """An entry of `[destinations]`: an AE, or with `url` a DICOMweb service."""

    host: str = ""
    port: int = 0
    ae_title: str = ""
    """Its AE title; empty: the name of the entry."""
    operations: int = 8
    """C-STORE requests in flight on an association, if the AE accepts an operations window;
    1: propose no window. With `url`: instances of one request."""
    associations: int = 1
    """Associations of one C-MOVE, or of the worker `forward`, at the same time."""
    tls: bool = False
    """Speak TLS, with the profile of `[tls]`."""
    tls_name: str = ""
    """The host name that its certificate must have; empty: `host`."""
    tls_ca: str = ""
    """The authority that signed its certificate; empty: `tls.ca`, or those that the system trusts.
    """
    tls_certificate: str = ""
    """Our certificate there; empty: `tls.certificate`."""
    tls_key: str = ""
    """Its key; empty: it is in the same file."""
    order: str = ""
    """series: the worker `forward` sends the instances there one by one, in the order of receipt.
    """
    bandwidth: int = 0
    """Bytes a second that the worker `forward` sends there, on the average; 0: any number."""
    confirm: str = ""
    """find, commitment: the worker `forward` asks by C-FIND (QIDO-RS at `url`) or by storage
    commitment whether the destination keeps an instance; empty: the response to it says so."""
    hours: tuple[str, ...] = ()
    """When the worker `forward` sends there, such as "Mon-Fri 19:00-07:00"; empty: always."""
    transcode: bool = False
    """The worker `forward` decompresses or compresses what the destination does not accept as it is
    stored."""
    transfer_syntaxes: tuple[str, ...] = ()
    """With `transcode`: what to send in if the destination accepts it, best first; empty: as it is
    stored."""
    lossy_ratio: int = 0
    """With `transcode`: compress with loss, by JPEG 2000 to one part in so many; 0: never."""
    lossy_error: int = 0
    """With `transcode`: compress with loss, by JPEG-LS with errors up to this; 0: never."""
    url: str = ""
    """A DICOMweb service in place of host and port, such as https://pacs.example/dicom-web: the
    worker `forward` sends there by STOW-RS (PS3.18 10.5)."""
    user: str = ""
    """The user name of basic authentication at `url`."""
    password_file: str = ""
    """A file with the password of `user`."""
    token_file: str = ""
    """A file with the token that is sent to `url` as `Authorization: Bearer`."""
    oauth_url: str = ""
    """Where a token for `url` is asked for with client credentials (RFC 6749 4.4)."""
    oauth_client: str = ""
    """The client identifier there."""
    oauth_secret_file: str = ""
    """A file with the client secret."""
    oauth_scope: str = ""
    """The scope to ask for; empty: none."""

    @property
    def is_tls(self) -> bool:
        """Whether TLS is spoken there."""
        return self.tls or "https:" in (self.url[:6], self.oauth_url[:6])

    @property
    def service(self) -> ServiceAddress:
        """The parts of `url`."""
        return service_at(self.url)


SENT_IN = frozenset(
    KEYWORDS[name]
    for name in (
        *("ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "ExplicitVRBigEndian"),
        *("DeflatedExplicitVRLittleEndian", "JPEGLSLossless", "JPEG2000Lossless", "RLELossless"),
    )
)
"""What `transfer_syntaxes` may name: all that instances are transcoded to without loss."""


def is_sent_in(text: str) -> bool:
    """Return whether a text is the UID or keyword of one of SENT_IN."""
    return KEYWORDS.get(text, text) in SENT_IN


SECRETS = ("password_file", "token_file", "oauth_secret_file")
"""The settings of a destination that name files with one secret each."""
FILES = ("tls_ca", "tls_certificate", "tls_key", *SECRETS)
"""The settings of a destination that name files."""
_OF_URL = (
    *("user", "password_file", "token_file"),
    *("oauth_url", "oauth_client", "oauth_secret_file", "oauth_scope"),
)
_OF_TLS = ("tls_name", "tls_ca", "tls_certificate", "tls_key")


def check_destinations(destinations: Mapping[str, Destination]) -> list[str]:
    """Return warnings; raises ConfigError for settings of one destination that exclude each other.

    The files that they name are not looked at.
    """
    for name, one in destinations.items():
        if text := _contradiction(one):
            raise ConfigError(f"destinations.{name}.{text}")
    return [
        f"destinations.{name}: a secret goes to {service_at(url).place} without TLS: use https"
        for name, one in destinations.items()
        for url in (one.url, one.oauth_url)
        if url and _is_open(one, url)
    ]


def _contradiction(one: Destination) -> str:
    """Return which setting cannot be meant, and why; empty: all can."""
    return (
        _wrong_transcoding(one)
        or (_wrong_service(one) if one.url else _wrong_association(one))
        or _wrong_tls(one)
    )


def _wrong_association(one: Destination) -> str:
    given = _first_of(one, _OF_URL)
    return f"{given} needs url: a DICOM association has no such thing" if given else ""


def _wrong_service(one: Destination) -> str:
    service = one.service
    if (one.host, one.port) != (service.host, service.port):
        return "url is in place of host and port: state one of them"
    if one.ae_title:
        return "ae_title needs host and port: a DICOMweb service has no AE title"
    if one.confirm == "commitment":
        return (
            'confirm = "commitment" needs an association: a DICOMweb service is asked with "find"'
        )
    if one.tls and not service.is_tls:
        return "tls = true needs a url that begins with https"
    return _wrong_credentials(one)


def _wrong_tls(one: Destination) -> str:
    """Return what is wrong with the settings of TLS; it must not be left out unnoticed."""
    if one.is_tls:
        given = "tls_key" if one.tls_key and not one.tls_certificate else ""
        return (
            f"{given} needs tls_certificate: the key of which certificate is it?" if given else ""
        )
    given = _first_of(one, _OF_TLS)
    how = "a url that begins with https" if one.url else "tls = true"
    return f"{given} needs {how}: no TLS is spoken there" if given else ""


def _wrong_transcoding(one: Destination) -> str:
    given = _first_of(one, ("transfer_syntaxes", "lossy_ratio", "lossy_error"))
    if not one.transcode:
        return f"{given} needs transcode = true" if given else ""
    if one.lossy_ratio and one.lossy_error:
        return "lossy_error excludes lossy_ratio: an image is compressed in one way"
    if one.confirm and (one.lossy_ratio or one.lossy_error):
        return "confirm excludes loss: what is compressed so has a SOP Instance UID of its own"
    return ""


def _first_of(one: Destination, names: Iterable[str]) -> str:
    """Return the first of these settings that is given; empty: none is."""
    return next((name for name in names if getattr(one, name)), "")


def _wrong_credentials(one: Destination) -> str:
    ways = [name for name in ("user", "token_file", "oauth_url") if getattr(one, name)]
    if len(ways) > 1:
        return f"{ways[1]} excludes {ways[0]}: one of them is sent"
    if bool(one.user) != bool(one.password_file):
        return "user and password_file need each other"
    oauth = one.oauth_url, one.oauth_client, one.oauth_secret_file
    if any((*oauth, one.oauth_scope)) and not all(oauth):
        return "oauth_url, oauth_client and oauth_secret_file need each other"
    return ""


def _is_open(one: Destination, url: str) -> bool:
    """Return whether secrets would go over a network in plain text."""
    service = service_at(url)
    has_secret = one.password_file or one.token_file or one.oauth_secret_file
    if service.is_tls or not has_secret:
        return False
    try:
        return not ipaddress.ip_address(service.host).is_loopback
    except ValueError:
        return service.host != "localhost"


def read_secret(path: str, what: str) -> str:
    """Return the secret in a file, without white space around it; raises ConfigError."""
    try:
        text = Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{what} {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{what} {path}: it is not text in UTF-8") from None
    if not text or not text.isprintable():
        raise ConfigError(f"{what} {path}: it must have one line with the secret")
    return text

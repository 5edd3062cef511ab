"""TLS contexts for servers and clients (PS3.15 B).

An SSLContext cannot be passed to another process. A server's context remembers the files that it
was made from, so that an acceptor process can load them again.
"""

from __future__ import annotations

import ssl
import time
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.errors import ConfigError
from gateway.tls_settings import PROFILES, TlsSettings
from gateway.tls_words import wrong_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.metrics import Metrics
    from gateway.settings import Destination

StrPath: TypeAlias = str | PathLike[str]

SOON = 30 * 86_400
"""Seconds before its end from which on a certificate is warned of."""

_FORWARD_SECRET = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
_RETIRED = f"{_FORWARD_SECRET}:DHE+AESGCM:ECDHE+AES:DHE+AES:!SHA1:!aDSS:!AESCCM"
_SUITES = {
    "bcp195-rfc8996": _FORWARD_SECRET,
    "bcp195-rfc8996-modified": "ECDHE+AESGCM:!aNULL",
    "bcp195": _RETIRED,
    "bcp195-non-downgrading": _RETIRED,
    "bcp195-extended": "ECDHE+AESGCM:DHE+AESGCM:!aNULL:!aDSS",
}
"""The suites of TLS 1.2 by profile; all of TLS 1.3 are good in each."""


_DH_GROUP = str(Path(__file__).with_name("ffdhe2048.pem"))
"""The group of RFC 7919, without which a server can use no DHE suite."""


class TlsContext(ssl.SSLContext):
    """The TLS context of a server, with the files that it was made from."""

    settings: TlsSettings


def tls_context(
    certificate: StrPath, key: StrPath | None = None, ca: StrPath | None = None
) -> TlsContext:
    """Return the TLS context of a server, for TLS 1.2 or later, from PEM files.

    `key` may be left out if it is in the file of the certificate. With `ca`, peers must have a
    certificate signed by that authority; without it they need none. Raises ConfigError, which names
    the file.
    """
    paths = (Path(fspath(p)).absolute().as_posix() if p else "" for p in (certificate, key, ca))
    return load(TlsSettings(next(paths), next(paths), next(paths)))


def load(settings: TlsSettings) -> TlsContext:
    """Return the context of a server with these settings; raises ConfigError."""
    context = TlsContext(ssl.PROTOCOL_TLS_SERVER)
    context.settings = settings
    _fill(context, settings.certificate, settings.key, settings.ca, settings.profile)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if "DHE" in _SUITES[settings.profile].replace("ECDHE", ""):
        context.load_dh_params(_DH_GROUP)
    if settings.ca:
        required = settings.require_client_certificate
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def client_context(
    certificate: StrPath | None = None,
    key: StrPath | None = None,
    ca: StrPath | None = None,
    profile: str = PROFILES[0],
) -> ssl.SSLContext:
    """Return the TLS context of a client, for TLS 1.2 or later, from PEM files.

    The peer's certificate must be signed by `ca`, or else by an authority that this system trusts.
    Raises ConfigError, which names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    files = [fspath(path) if path else "" for path in (certificate, key, ca)]
    _fill(context, files[0], files[1], files[2], profile)
    if not ca:
        context.load_default_certs()
    return context


def destination_context(destination: Destination, tls: TlsSettings) -> ssl.SSLContext | None:
    """Return the context for a destination, None if it is reached without TLS.

    What it does not state is that of `[tls]`. Raises ConfigError, which names the file.
    """
    if not destination.is_tls:
        return None
    own = bool(destination.tls_certificate)
    return client_context(
        destination.tls_certificate or tls.certificate,
        destination.tls_key if own else tls.key,
        destination.tls_ca or tls.ca,
        tls.profile,
    )


def end_of(certificate: str) -> float:
    """Return when a certificate in a PEM file ends, in seconds since the epoch; 0.0: unknown."""
    try:
        decoded = ssl._ssl._test_decode_cert(certificate)  # type: ignore[attr-defined]
        return float(ssl.cert_time_to_seconds(decoded["notAfter"]))
    except (OSError, KeyError, ValueError, AttributeError):
        return 0.0


def end_of_shown(certificate: Mapping[str, Any] | None) -> float:
    """Return when a certificate in the form of `SSLSocket.getpeercert` ends, as `end_of`."""
    end = (certificate or {}).get("notAfter")
    try:
        return float(ssl.cert_time_to_seconds(end)) if isinstance(end, str) else 0.0
    except ValueError:
        return 0.0


def measure_certificate(metrics: Metrics, process: str, end: float) -> None:
    """Set the gauge of a process's certificate, which ends at `end`; 0.0: it has none."""
    if end:
        metrics.gauge(
            "dicom_gateway_certificate_end_timestamp_seconds",
            "When the certificate that a process shows ends, in seconds since the epoch.",
            "process",
        ).set(end, process)


def warning_about(certificate: str) -> str:
    """Return a sentence if a certificate has ended or soon will; else nothing."""
    end, now = end_of(certificate), time.time()
    if not end or end - now > SOON:
        return ""
    day = time.strftime("%Y-%m-%d", time.gmtime(end))
    if end <= now:
        return f"TLS certificate {certificate} expired on {day}: peers refuse it; renew it, reload"
    return f"TLS certificate {certificate} expires on {day}: renew it, then reload"


def _fill(context: ssl.SSLContext, certificate: str, key: str, ca: str, profile: str) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES[profile])
    try:
        if certificate:
            context.load_cert_chain(certificate, key or None, _no_passphrase)
        if ca:
            context.load_verify_locations(ca)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(wrong_file(certificate, key, ca, error)) from None


def _no_passphrase() -> str:
    """Return an empty passphrase; otherwise OpenSSL would prompt for one on the terminal."""
    return ""

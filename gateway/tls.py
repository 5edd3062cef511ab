"""TLS contexts for servers and clients (PS3.15 B).

An SSLContext cannot be passed to another process. A server's context remembers the files that it
was made from, so that an acceptor process can load them again.
"""

from __future__ import annotations

import ssl
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from gateway.errors import ConfigError
from gateway.settings import TlsSettings

StrPath: TypeAlias = str | PathLike[str]


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
    _fill(context, settings.certificate, settings.key, settings.ca)
    if settings.ca:
        required = settings.require_client_certificate
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def client_context(
    certificate: StrPath | None = None, key: StrPath | None = None, ca: StrPath | None = None
) -> ssl.SSLContext:
    """Return the TLS context of a client, for TLS 1.2 or later, from PEM files.

    The peer's certificate must be signed by `ca`, or else by an authority that this system trusts.
    Raises ConfigError, which names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _fill(context, *(fspath(path) if path else "" for path in (certificate, key, ca)))
    if ca is None:
        context.load_default_certs()
    return context


def _fill(context: ssl.SSLContext, certificate: str, key: str, ca: str) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if certificate:
            context.load_cert_chain(certificate, key or None, _no_passphrase)
        if ca:
            context.load_verify_locations(ca)
    except OSError as error:  # ssl.SSLError is one
        names = ", ".join(p for p in (certificate, key, ca) if p)
        why = getattr(error, "reason", None) or error.strerror or error
        raise ConfigError(f"cannot load TLS certificate or key from {names}: {why}") from None


def _no_passphrase() -> str:
    """Return an empty passphrase; otherwise OpenSSL would prompt for one on the terminal."""
    return ""

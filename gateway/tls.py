"""TLS (PS3.15 B): contexts of who listens, which another process can make again, and of clients."""

from __future__ import annotations

import ssl
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from gateway.errors import ConfigError
from gateway.settings import TlsSettings

StrPath: TypeAlias = str | PathLike[str]


class TlsContext(ssl.SSLContext):
    """A server's context that remembers the files it was made of."""

    settings: TlsSettings


def tls_context(
    certificate: StrPath, key: StrPath | None = None, ca: StrPath | None = None
) -> TlsContext:
    """A server's TLS context: TLS 1.2 or later, PEM files.

    `key`: if it is not in the file of the certificate. `ca`: who must have signed the peers'
    certificates; without it peers need none. Raises ConfigError that names the file.
    """
    paths = (Path(fspath(p)).absolute().as_posix() if p else "" for p in (certificate, key, ca))
    return load(TlsSettings(next(paths), next(paths), next(paths)))


def load(settings: TlsSettings) -> TlsContext:
    """The context of these files; raises ConfigError."""
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
    """The context of one who connects: TLS 1.2 or later, PEM files.

    `ca`: who must have signed the peer's certificate; otherwise whom this system trusts. Raises
    ConfigError that names the file.
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
        raise ConfigError(f"TLS cannot be set up with {names}: {why}") from None


def _no_passphrase() -> str:
    """Nobody is there to type one: without this OpenSSL asks on the terminal."""
    return ""

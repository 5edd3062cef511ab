"""TLS of a listening socket (PS3.15 B): contexts that another process can make again."""

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
    paths = [Path(fspath(p)).absolute().as_posix() if p else "" for p in (certificate, key, ca)]
    return load(TlsSettings(*paths))


def load(settings: TlsSettings) -> TlsContext:
    """The context of these files; raises ConfigError."""
    context = TlsContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.settings = settings
    try:
        context.load_cert_chain(settings.certificate, settings.key or None, _no_passphrase)
        if settings.ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(settings.ca)
    except OSError as error:  # ssl.SSLError is one
        names = ", ".join(p for p in (settings.certificate, settings.key, settings.ca) if p)
        why = getattr(error, "reason", None) or error.strerror or error
        raise ConfigError(f"TLS cannot be set up with {names}: {why}") from None
    return context


def _no_passphrase() -> str:
    """Nobody is there to type one: without this OpenSSL asks on the terminal."""
    return ""

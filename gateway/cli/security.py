"""TLS (PS3.15 B) and user identity (PS3.7 D.3.3.7) of the commands that talk to a peer."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.ul.items import UserIdentityRQ

if TYPE_CHECKING:
    import ssl

PASSWORD_VARIABLE = "DICOM_PASSWORD"
"""Without the prefix of the settings' variables: `serve` may run in the same shell."""
_VISIBLE = (
    "dicom-gateway: warning: other users of this machine can see the passcode on the command line; "
    f"use --password - or {PASSWORD_VARIABLE}"
)
_USERNAME, _USERNAME_AND_PASSCODE = 1, 2


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """The options of TLS."""

    tls: Annotated[bool, typer.Option("--tls")] = False
    """Use TLS, and trust the authorities that this system trusts; implied by --tls-*."""
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE")] = None
    """Our certificate with its chain (PEM)."""
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE")] = None
    """The key of --tls-cert (PEM), if in another file."""
    tls_ca: Annotated[Path | None, typer.Option("--tls-ca", metavar="FILE")] = None
    """The authority that signed the peer's certificate (PEM)."""
    tls_name: Annotated[
        str | None, typer.Option("--tls-name", metavar="NAME", show_default="HOST")
    ] = None
    """The host name that the peer's certificate must have."""

    @property
    def uses_tls(self) -> bool:
        return bool(self.tls or self.tls_name or self.tls_cert or self.tls_key or self.tls_ca)

    def check_files(self) -> None:
        """Raise BadParameter or ConfigError for files that cannot be used."""
        if self.tls_key and not self.tls_cert:
            raise typer.BadParameter("--tls-key needs --tls-cert", param_hint="--tls-key")
        _ = self.tls_context

    @cached_property
    def tls_context(self) -> ssl.SSLContext | None:
        """The context of the connection; None without TLS."""
        if not self.uses_tls:
            return None
        from gateway.tls import client_context

        return client_context(self.tls_cert, self.tls_key, self.tls_ca)


@dataclass(frozen=True, kw_only=True)
class SecurityOptions(TlsOptions):
    """The options of TLS and user identity."""

    user: Annotated[str | None, typer.Option("--user", metavar="NAME")] = None
    """User name for user identity."""
    password: Annotated[str | None, typer.Option("--password", metavar="PASSCODE")] = None
    """Passcode of --user; '-' prompts for it. Other users can see a command line: better prompt, or
    set DICOM_PASSWORD."""

    def check(self) -> None:
        """Raise BadParameter for options that do not go together or cannot be used."""
        self.check_files()
        if self.password is not None and self.user is None:
            raise typer.BadParameter("--password needs --user", param_hint="--password")
        if self.password not in (None, "-"):
            print(_VISIBLE, file=sys.stderr)
        _ = self.identity

    @cached_property
    def identity(self) -> UserIdentityRQ | None:
        """The user identity sub-item; prompts for the passcode if that is `-`."""
        if self.user is None:
            return None
        passcode = _prompt(self.user) if self.password == "-" else self.password
        if passcode is None:
            passcode = os.environ.get(PASSWORD_VARIABLE)
        fields = [one.encode() for one in (self.user, passcode) if one is not None]
        if any(len(one) > 0xFFFF for one in fields):
            text = "user name and passcode may have at most 65535 bytes each"
            raise typer.BadParameter(text, param_hint="--user")
        kind = _USERNAME if passcode is None else _USERNAME_AND_PASSCODE
        return UserIdentityRQ(kind, False, *fields)


def _prompt(user: str) -> str:
    """Read a passcode without echo from a terminal, or as a line of standard input."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Passcode of {user}: ")
    return sys.stdin.readline().rstrip("\r\n")

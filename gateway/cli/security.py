"""TLS (PS3.15 B) and user identity (PS3.7 D.3.3.7) of the commands that talk to a peer."""

from __future__ import annotations

import getpass
import inspect
import os
import sys
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.ul.items import UserIdentityRQ

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

PASSWORD_VARIABLE = "DICOM_PASSWORD"
"""Not of the prefix that settings have: `serve` may run in the same shell."""
_USERNAME, _USERNAME_AND_PASSCODE = 1, 2

TlsOption = Annotated[
    bool,
    typer.Option(
        "--tls", help="TLS, with the authorities that this system trusts; implied by --tls-*."
    ),
]
TlsCertOption = Annotated[
    Path | None,
    typer.Option("--tls-cert", metavar="FILE", help="Our certificate and its chain (PEM)."),
]
TlsKeyOption = Annotated[
    Path | None,
    typer.Option("--tls-key", metavar="FILE", help="Its key (PEM), if not in the same file."),
]
TlsCaOption = Annotated[
    Path | None,
    typer.Option("--tls-ca", metavar="FILE", help="Who signed the peer's certificate (PEM)."),
]
TlsNameOption = Annotated[
    str | None,
    typer.Option(
        "--tls-name",
        metavar="NAME",
        help="What the peer's certificate is for.",
        show_default="HOST",
    ),
]
UserOption = Annotated[
    str | None, typer.Option("--user", metavar="NAME", help="User identity: the user's name.")
]
PasswordOption = Annotated[
    str | None,
    typer.Option(
        "--password",
        metavar="PASSCODE",
        help=f"The passcode; -: asked for, and better so, or set as {PASSWORD_VARIABLE}: "
        "others may see a command line.",
    ),
]


@dataclass(frozen=True, slots=True)
class Security:
    """What was said of it on the command line."""

    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    identity: UserIdentityRQ | None = None


def secured(command: Callable[..., None]) -> Callable[..., None]:
    """Add these options to a command; what they say it finds as its argument `security`."""
    signature = inspect.signature(command, eval_str=True)
    options = inspect.signature(_read, eval_str=True).parameters
    own = [one for one in signature.parameters.values() if one.name != "security"]

    @wraps(command)
    def wrapper(**given: Any) -> None:
        said = {name: given.pop(name) for name in options}
        command(**given, security=_read(**said))

    parameters = [*own, *options.values()]
    vars(wrapper)["__signature__"] = signature.replace(parameters=parameters)
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapper


def _read(  # noqa: PLR0913, PLR0917 - as many options as there are
    tls: TlsOption = False,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    tls_ca: TlsCaOption = None,
    tls_name: TlsNameOption = None,
    user: UserOption = None,
    password: PasswordOption = None,
) -> Security:
    context = None
    if tls or tls_cert or tls_key or tls_ca or tls_name:
        from gateway.tls import client_context

        if tls_key and not tls_cert:
            raise typer.BadParameter("there is no --tls-cert to it", param_hint="--tls-key")
        context = client_context(tls_cert, tls_key, tls_ca)
    return Security(context, tls_name, _identity(user, password))


def _identity(user: str | None, password: str | None) -> UserIdentityRQ | None:
    if user is None:
        if password is not None:
            raise typer.BadParameter("there is no --user to it", param_hint="--password")
        return None
    passcode = _asked_for(user) if password == "-" else password
    if passcode is None:
        passcode = os.environ.get(PASSWORD_VARIABLE)
    fields = [one.encode() for one in (user, passcode) if one is not None]
    if any(len(one) > 0xFFFF for one in fields):
        raise typer.BadParameter("65535 bytes at the most", param_hint="--user")
    kind = _USERNAME if passcode is None else _USERNAME_AND_PASSCODE
    return UserIdentityRQ(kind, False, *fields)


def _asked_for(user: str) -> str:
    """Typed where nobody sees it; or a line of standard input, for programs."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Passcode of {user}: ")
    return sys.stdin.readline().rstrip("\r\n")

"""`dicom-gateway users`: add, remove, list and check the users of the worker `users`."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import ConfigError, GatewayError
from gateway.shared_options import ConfigOption, DataOption, command_group
from workers.users.users_worker import EXTRA, UsersOptions

if TYPE_CHECKING:
    from workers.users.user_file import UserFile

app = command_group("Add, remove, list and check users of the worker `users`.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="User name.")]
_File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="The file of users.",
        show_default="of [workers.users], or `users` in the data directory",
    ),
]


@app.command()
def add(
    context: typer.Context,
    name: _Name,
    file: _File = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Add a user, or change the passcode, which is prompted for or read from standard input.

    A gateway that runs takes note at once.
    """
    is_new = _users(context, file, data, config).set(name, _passcode(name, twice=True))
    print(f"{name}: {'added' if is_new else 'passcode changed'}")


@app.command()
def rm(
    context: typer.Context,
    name: _Name,
    file: _File = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Remove a user; the exit status is 1 if there is none of this name."""
    users = _users(context, file, data, config)
    if not users.remove(name):
        raise GatewayError(f"no user {name!r} in {users.path}")
    print(f"{name}: removed")


@app.command()
def ls(
    context: typer.Context, file: _File = None, data: DataOption = None, config: ConfigOption = None
) -> None:
    """List the users, one a line."""
    for name in _users(context, file, data, config).names():
        print(name)


@app.command()
def check(
    context: typer.Context,
    name: _Name,
    file: _File = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say whether a passcode is a user's; the exit status is 1 if not."""
    if not _users(context, file, data, config).is_right(name, _passcode(name, twice=False)):
        raise GatewayError(f"{name}: wrong user or passcode")
    print(f"{name}: right")


def _users(
    context: typer.Context, file: Path | None, data: str | None, config: Path | None
) -> UserFile:
    try:
        from workers.users.user_file import FILE, UserFile
    except ModuleNotFoundError as error:
        raise ConfigError(f"`dicom-gateway users` needs {error.name}: {EXTRA}") from None
    if file is not None:
        return UserFile(file)
    settings = context.obj(config, data=data)
    table = settings.workers.get("users")
    named = UsersOptions.of(table.options).file if table is not None else ""
    return UserFile(Path(named) if named else Path(settings.gateway.data) / FILE)


def _passcode(name: str, *, twice: bool) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    passcode = getpass.getpass(f"Passcode of {name}: ")
    if twice and getpass.getpass("Once more: ") != passcode:
        raise ConfigError("the two passcodes differ")
    return passcode

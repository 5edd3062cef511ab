"""`dicom-gateway keys`: the keys of workers on other hosts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.common import settings_of
from gateway.cli.options import with_options
from gateway.errors import ConfigError
from gateway.shared_options import ConfigOption, DataOption, command_group

if TYPE_CHECKING:
    from gateway.fabric.acceptor.allowed_keys import KeyPermission

app = command_group("Make, show, allow and revoke the keys of workers on other hosts.")

_FileArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="The file of a worker's key; without it the gateway's own, in its data directory.",
    ),
]
_Names = list[str] | None


@dataclass(frozen=True, kw_only=True)
class KeyRights:
    """What the holder of a key may do."""

    worker: Annotated[str, typer.Option("--worker", metavar="NAME")]
    """The name that it registers under."""
    events: Annotated[_Names, typer.Option("--event", metavar="NAME")] = None
    """An event that it may answer, as EVT_C_STORE; may be repeated; '*': all."""
    topics: Annotated[_Names, typer.Option("--watch", metavar="NAME")] = None
    """A notification that it may watch, as EVT_RELEASED; may be repeated; '*': all."""
    publish: Annotated[_Names, typer.Option("--publish", metavar="NAME")] = None
    """A notification that it may publish, as EVT_METRICS; may be repeated; '*': all."""
    calls: Annotated[_Names, typer.Option("--call", metavar="NAME")] = None
    """What it may do to associations, as abort or request; may be repeated; '*': all."""


@app.command("new")
def new(file: _FileArgument = None, data: DataOption = None, config: ConfigOption = None) -> None:
    """Make a key and print its public part.

    The file is mode 0600 and has the secret: it stays on the host where it was made. A file that
    exists is left as it is.
    """
    from gateway.fabric.wire import curve_keys

    pair = curve_keys.generate()
    curve_keys.write(file or _directory(data, config) / curve_keys.GATEWAY_KEY, pair)
    print(pair.public.hex())


@app.command("show")
def show(file: _FileArgument = None, data: DataOption = None, config: ConfigOption = None) -> None:
    """Print the public part of a key: for --server-key, or for `keys allow`."""
    from gateway.fabric.wire import curve_keys

    pair = curve_keys.read(file or _directory(data, config) / curve_keys.GATEWAY_KEY)
    print(pair.public.hex())


@app.command("allow")
@with_options(KeyRights, "rights")
def allow(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The public key, 64 digits.")],
    data: DataOption = None,
    config: ConfigOption = None,
    *,
    rights: KeyRights,
) -> None:
    """Allow a worker on another host to connect, in place of what was allowed to its key before.

    A running gateway notices within a second.
    """
    from gateway.fabric.acceptor.allowed_keys import KeyPermission
    from gateway.fabric.wire import curve_keys

    given = (rights.events, rights.topics, rights.publish, rights.calls)
    lists = [frozenset(names or ()) for names in given]
    _check_names(*lists)
    permission = KeyPermission(curve_keys.public_key(key), rights.worker, *lists)
    path, before = _allowed(data, config)
    _write(path, {**before, permission.key: permission})


@app.command("ls")
def ls(data: DataOption = None, config: ConfigOption = None) -> None:
    """List the keys that are allowed, and what each may do."""
    _, permissions = _allowed(data, config)
    for one in permissions.values():
        rights = [
            f"{name}={','.join(sorted(getattr(one, name)))}"
            for name in ("events", "topics", "publish", "calls")
            if getattr(one, name)
        ]
        print(one.key.hex(), f"worker={one.worker}", *rights)


@app.command("revoke")
def revoke(
    name: Annotated[
        str, typer.Argument(metavar="KEY|WORKER", help="A key, or the name of a worker.")
    ],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Revoke a key, or all keys of a worker; a running gateway ends their leases in a second."""
    path, before = _allowed(data, config)
    after = {k: p for k, p in before.items() if name.lower() != k.hex() and name != p.worker}
    if len(after) == len(before):
        raise ConfigError(f"{path} allows no key and no worker {name[:80]!r}")
    _write(path, after)


def _directory(data: str | None, config: Path | None) -> Path:
    settings = settings_of(config, data=data)
    return settings.fabric.keys_dir(Path(settings.gateway.data) / "run")


def _allowed(data: str | None, config: Path | None) -> tuple[Path, dict[bytes, KeyPermission]]:
    from gateway.fabric.acceptor.allowed_keys import ALLOWED_KEYS, read

    path = _directory(data, config) / ALLOWED_KEYS
    return path, read(path)


def _check_names(
    events: frozenset[str], topics: frozenset[str], publish: frozenset[str], calls: frozenset[str]
) -> None:
    from gateway.events import INTERVENTIONS, NOTIFICATIONS
    from gateway.fabric.wire.terms import OPERATIONS

    for wanted, known, what in (
        (events, INTERVENTIONS, "an event that workers answer"),
        (topics, NOTIFICATIONS, "a notification"),
        (publish, NOTIFICATIONS, "a notification"),
        (calls, OPERATIONS, "an operation of a command"),
    ):
        if unknown := sorted(wanted - {"*"} - set(known)):
            raise ConfigError(f"{unknown[0]!r} is not {what}")


def _write(path: Path, permissions: dict[bytes, KeyPermission]) -> None:
    """Replace the list in one step, so that a gateway never reads half of it."""
    from gateway.config.toml_text import toml_value

    text = "# The keys of workers on other hosts: 'dicom-gateway keys' writes this file.\n"
    for one in permissions.values():
        text += f'\n[[allow]]\nkey = "{one.key.hex()}"\nworker = {toml_value(one.worker)}\n'
        for name in ("events", "topics", "publish", "calls"):
            text += f"{name} = {toml_value(sorted(getattr(one, name)))}\n"
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None

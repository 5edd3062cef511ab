"""The keys of workers on other hosts, and what each of them may do.

The file `allowed.toml` in the directory of the keys has a table `[[allow]]` for each. It is read
again when it has changed, so a key is allowed or revoked without a restart.
"""

from __future__ import annotations

import logging
import os
import time
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigError
from gateway.fabric.wire import curve_keys
from gateway.fabric.wire.envelopes import Command, NextGeneration, Publish, Register, Replay

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gateway.fabric.wire.envelopes import Envelope

logger = logging.getLogger("gateway.fabric")

ALLOWED_KEYS = "allowed.toml"
"""The file, in the directory of the keys."""
BLOCKED = 60.0
"""Seconds for which a key that floods may do nothing."""
EVERYTHING = "*"
ONLY_HERE = frozenset(("transform", "EVT_STORE_TRANSFORM"))
"""What names files that a worker is to read and write: no key permits it."""
LISTS = ("events", "topics", "publish", "calls")


@dataclass(frozen=True, slots=True)
class KeyPermission:
    """What the holder of a key may do. `*` in a set stands for everything."""

    key: bytes
    """The public key."""
    worker: str
    """The only name under which it may register."""
    events: frozenset[str] = field(default_factory=frozenset)
    """Intervention events that it may hold."""
    topics: frozenset[str] = field(default_factory=frozenset)
    """Notifications that it may watch."""
    publish: frozenset[str] = field(default_factory=frozenset)
    """Notifications that it may publish."""
    calls: frozenset[str] = field(default_factory=frozenset)
    """Operations of commands to associations."""

    def refusal(self, envelope: Envelope) -> str:
        """Return why an envelope of this key is refused; empty: it is permitted."""
        match envelope:
            case Register():
                return self._refusal_of_registration(envelope)
            case NextGeneration(worker):
                return self._not("be worker", (worker,), {self.worker})
            case Publish():
                return self._not("publish", (envelope.topic,), self.publish)
            case Replay():
                return self._not("watch", (envelope.topic,), self.topics)
            case Command():
                return self._not("call", (envelope.operation,), self.calls)
            case _:
                return ""

    def refusal_of_topic(self, topic: str) -> str:
        """Return why the key may not watch a topic; empty: it may."""
        return self._not("watch", (topic,), self.topics)

    def may_publish(self, topic: str) -> bool:
        return not self._not("publish", (topic,), self.publish)

    def _refusal_of_registration(self, asked: Register) -> str:
        events = [binding.event for binding in asked.bindings]
        return (
            self._not("be worker", (asked.worker,), {self.worker})
            or self._not("hold", events, self.events)
            or (self._not("call", ("request",), self.calls) if asked.sends else "")
        )

    def _not(self, verb: str, wanted: Iterable[str], allowed: frozenset[str] | set[str]) -> str:
        has_all = EVERYTHING in allowed and verb != "be worker"
        for name in wanted:
            if name in ONLY_HERE:
                return f"{name} is about files of this host: no worker on another one may {verb} it"
            if not has_all and name not in allowed:
                return f"the key {self.key.hex()[:16]}... may not {verb} {name[:64]!r}"
        return ""


class AllowedKeys:
    """The permissions of all keys; raises ConfigError if the file is wrong or open to others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.revision = 0
        """Grows whenever the file was read again."""
        self._blocked: dict[bytes, float] = {}
        self._stamp = _stamp_of(path)
        self._permissions = read(path)

    def of(self, key: bytes) -> KeyPermission | None:
        """Return what a key may do; None: it is not allowed, or not at present."""
        if self._blocked and self._blocked.get(key, 0.0) > time.monotonic():
            return None
        return self._permissions.get(key)

    def block(self, key: bytes) -> None:
        """Let a key do nothing for a while."""
        self._blocked[key] = time.monotonic() + BLOCKED

    def refresh(self) -> None:
        """Read the file again if it has changed.

        A file that is wrong changes nothing, and the log says so.
        """
        if (stamp := _stamp_of(self.path)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._permissions = read(self.path)
        except ConfigError as error:
            logger.error("the keys stay as they were: %s", error)  # noqa: TRY400 - no bug here
        else:
            self.revision += 1


def check_keys(directory: Path) -> None:
    """Raise ConfigError if a gateway cannot listen with these keys, or nobody could connect."""
    curve_keys.read(directory / curve_keys.GATEWAY_KEY)
    if not read(directory / ALLOWED_KEYS):
        raise ConfigError(
            f"fabric.listen: no key is allowed in {directory / ALLOWED_KEYS}; 'dicom-gateway keys"
            " allow' adds one"
        )


def read(path: Path) -> dict[bytes, KeyPermission]:
    """Return the permissions in a file, by public key; none if there is no file.

    Raises ConfigError.
    """
    if not path.exists():
        return {}
    try:
        rows = tomllib.loads(curve_keys.read_private(path)).get("allow", [])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    if not isinstance(rows, list):
        raise ConfigError(f"{path}: allow is not a list of tables, [[allow]]")
    try:
        permissions = [_permission(row) for row in rows]
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    found = {permission.key: permission for permission in permissions}
    if len(found) < len(rows):
        raise ConfigError(f"{path}: a key stands there twice")
    return found


def _permission(row: Any) -> KeyPermission:
    if not isinstance(row, dict):
        raise ConfigError("allow is not a list of tables, [[allow]]")
    if unknown := set(row) - {"key", "worker", *LISTS}:
        raise ConfigError(f"[[allow]] has no setting {', '.join(sorted(unknown))}")
    worker = row.get("worker")
    if not isinstance(worker, str) or not worker:
        raise ConfigError("each [[allow]] needs the worker's name")
    lists = {name: row.get(name, []) for name in LISTS}
    for name, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{name} of worker {worker!r} is not a list of texts")
    key = curve_keys.public_key(str(row.get("key", "")))
    return KeyPermission(key, worker, *(frozenset(lists[name]) for name in LISTS))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size

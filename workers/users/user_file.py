"""The file of users: one line each, NAME:HASH, the hash of the passcode by Argon2id.

The file is replaced as a whole, so that a reader sees all of a change or nothing, and it is read
again when it has changed. Only its owner can read it.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError, VerificationError

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "users"
"""The name of the file in the data directory, if no other is configured."""
LONGEST = 256
"""Characters of a user name."""

_hasher = PasswordHasher(type=Type.ID)
_NOBODYS = _hasher.hash("")
"""Compared with if there is no such user, so that the time does not tell."""


class UserFile:
    """The users and the hashes of their passcodes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._hashes: dict[str, str] = {}

    def names(self) -> list[str]:
        """Return the users; raises ConfigError if the file cannot be read or a line is wrong."""
        return sorted(self._read())

    def is_right(self, name: str, passcode: str) -> bool:
        """Return whether a user has this passcode; raises ConfigError."""
        hashed = self._read().get(name)
        try:
            return _hasher.verify(hashed or _NOBODYS, passcode) and hashed is not None
        except (VerificationError, Argon2Error):
            return False

    def set(self, name: str, passcode: str) -> bool:
        """Add a user, or give one another passcode; return whether the user is new."""
        if not is_name(name):
            raise ConfigError(
                f"user {name!r}: a name has 1 to {LONGEST} printable characters, no colon, and no "
                f"space or # at its ends"
            )
        if not passcode:
            raise ConfigError("the passcode is empty")
        users = dict(self._read())
        is_new = name not in users
        self._write(users | {name: _hasher.hash(passcode)})
        return is_new

    def remove(self, name: str) -> bool:
        """Remove a user; return whether there was one of this name."""
        users = dict(self._read())
        if name not in users:
            return False
        del users[name]
        self._write(users)
        return True

    def _read(self) -> Mapping[str, str]:
        try:
            state = self.path.stat()
            seen = state.st_mtime_ns, state.st_ino, state.st_size
            if seen != self._seen:
                self._hashes = _parsed(self.path)
                self._seen = seen
        except FileNotFoundError:
            self._hashes, self._seen = {}, None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(f"users: cannot read {self.path}: {why}") from None
        return self._hashes

    def _write(self, users: Mapping[str, str]) -> None:
        text = "".join(f"{name}:{hashed}\n" for name, hashed in sorted(users.items()))
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, new = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:  # mkstemp: mode 0600
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(new, self.path)
        except OSError as error:
            raise ConfigError(f"users: cannot write {self.path}: {error.strerror}") from None


def is_name(text: str) -> bool:
    """Return whether a text can be a user's name in the file."""
    return (
        1 <= len(text) <= LONGEST
        and text.isprintable()
        and ":" not in text
        and text == text.strip()
        and not text.startswith("#")
    )


def _parsed(path: Path) -> dict[str, str]:
    users: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.partition(":")
        try:
            extract_parameters(hashed)
        except InvalidHashError:
            raise ConfigError(
                f"users: {path}:{number}: not NAME:HASH with a hash of Argon2: use "
                f"`dicom-gateway users add NAME`"
            ) from None
        users[name] = hashed
    return users

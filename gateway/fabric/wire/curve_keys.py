"""The CURVE keys of the fabric over TCP: pairs in files, and public keys as text.

A key is 32 bytes, written as 64 hexadecimal digits. A file with a secret key is mode 0600 and
belongs to the user who reads it; any other one is refused, because whoever can read it can answer
requests.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

GATEWAY_KEY = "gateway.key"
"""The file with the gateway's own pair, in the directory of its keys."""
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{64}")
_TEXT = """# A key of dicom-gateway. Keep this file to yourself: the secret answers requests.
public = "{public}"
secret = "{secret}"
"""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair; each half is 32 bytes."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CurveKeys:
    """What a worker needs to connect to a gateway on another host."""

    server: bytes
    """The gateway's public key."""
    own: KeyPair
    heartbeat: float = 1.0
    """Seconds between two signs of life of the connection itself."""


def generate() -> KeyPair:
    """Return a new key pair."""
    public, secret = zmq.curve_keypair()
    return KeyPair(z85.decode(public), z85.decode(secret))


def public_key(text: str) -> bytes:
    """Return a public key that is written as 64 hexadecimal digits; raise ConfigError."""
    if not _HEXADECIMAL.fullmatch(text.strip()):
        raise ConfigError(f"{text[:80]!r} is not a public key: it has 64 hexadecimal digits")
    return bytes.fromhex(text)


def write(path: Path, pair: KeyPair) -> None:
    """Write a key pair to a new file, mode 0600; raise ConfigError if there is a file."""
    text = _TEXT.format(public=pair.public.hex(), secret=pair.secret.hex())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot write the key {path}: {error.strerror}") from None
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)


def read(path: Path) -> KeyPair:
    """Return the key pair in a file; raises ConfigError if it is wrong or open to others."""
    text = read_private(path, f"; 'dicom-gateway keys new {path}' makes it")
    try:
        values = tomllib.loads(text)
        pair = KeyPair(public_key(str(values["public"])), public_key(str(values["secret"])))
    except (tomllib.TOMLDecodeError, KeyError, ConfigError):
        raise ConfigError(f"{path} is not a key file: 'dicom-gateway keys new' makes one") from None
    if z85.decode(zmq.curve_public(z85.encode(pair.secret))) != pair.public:
        raise ConfigError(f"{path}: the public key does not belong to the secret one")
    return pair


def read_private(path: Path, if_missing: str = "") -> str:
    """Return the text of a file that belongs to this user alone; raise ConfigError otherwise.

    `if_missing`: what to do if there is none, at the end of the error.
    """
    try:
        with open(path, encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{path} is not a file")
            if status.st_uid != os.geteuid() or status.st_mode & 0o077:
                raise ConfigError(
                    f"{path} must belong to this user alone: chown it, then chmod 600"
                )
            return file.read(1 << 20)
    except OSError as error:
        advice = if_missing if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"cannot read {path}: {error.strerror}{advice}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text") from None

"""The key of the pseudonyms, in a file that nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gateway.sdk import ConfigError

SHORTEST = 32
"""Bytes."""
_LONGEST = 4096
_HOW = "make one by: (umask 077; openssl rand -hex 32 > KEY_FILE)"


def read_key(path: str) -> bytes:
    """Return the key in a file, without white space around it; raises ConfigError.

    The file belongs to the user of the process, has mode 0600 or 0400, and SHORTEST bytes or more.
    """
    place = Path(path)
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(
            f"deidentify: key_file {path}: {error.strerror or error}; {_HOW}"
        ) from None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise ConfigError(f"deidentify: key_file {path} is not a regular file")
        if about.st_mode & 0o177 or about.st_uid not in (os.geteuid(), 0):
            raise ConfigError(
                f"deidentify: key_file {path} has mode {stat.S_IMODE(about.st_mode):04o} and owner "
                f"{about.st_uid}: it must be for the user of the gateway alone; chmod 0600 {path}"
            )
        key = os.read(descriptor, _LONGEST).strip()
    finally:
        os.close(descriptor)
    if len(key) < SHORTEST:
        raise ConfigError(
            f"deidentify: key_file {path} has {len(key)} bytes: it must have {SHORTEST} or more; "
            f"{_HOW}"
        )
    return key

"""What commands share: how the configuration is loaded, and the line that says ready."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings import Settings


def settings_of(
    config: Path | None, tables: dict[str, dict[str, Any]] | None = None, **gateway: Any
) -> Settings:
    """Return the effective settings; `gateway` are options that override `[gateway]` settings.

    `tables` has those of other tables.
    """
    from gateway.config import load

    options: dict[tuple[str, ...], Any] = {
        (table, name): value
        for table, given in {**(tables or {}), "gateway": gateway}.items()
        for name, value in given.items()
    }
    return load(config, environment=os.environ, options=options)


def announce(line: str) -> None:
    """Print the line that says that the program is ready; standard output may be closed.

    In one write: what handlers of a worker print at the same time stands before it or after it.
    """
    with suppress(OSError):
        print(f"{line}\n", end="", flush=True)

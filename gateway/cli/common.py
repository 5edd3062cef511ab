"""What commands share: how the configuration is loaded, and the line that says ready."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings import Settings


def settings_of(config: Path | None, **gateway: Any) -> Settings:
    """Return the effective settings; `gateway` are options that override `[gateway]` settings."""
    from gateway.config import load

    options: dict[tuple[str, ...], Any] = {
        ("gateway", name): value for name, value in gateway.items()
    }
    return load(config, environment=os.environ, options=options)


def announce(line: str) -> None:
    """Print the line that says that the program is ready; standard output may be closed."""
    with suppress(OSError):
        print(line, flush=True)

"""Functions that the configuration names as "module:function"."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


def load_function(named: str, setting: str) -> Callable[..., Any]:
    """Return the function, from the working directory first; raises ConfigError.

    `setting` is where the configuration names it.
    """
    module, _, name = named.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # importing a site's module can raise anything
        text = f"{setting} = {named!r} cannot be loaded: "
        raise ConfigError(f"{text}{type(error).__name__}: {error}") from error
    if not callable(found):
        raise ConfigError(f"{setting} = {named!r} is not a function")
    return found  # type: ignore[no-any-return]

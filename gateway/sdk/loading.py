"""The Worker that a setting names is loaded here; errors point into the author's module."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from gateway.sdk.worker_definition import Worker

GROUP = "dicom_gateway.workers"
"""The entry points that name workers."""

_HERE = str(Path(__file__).parent)
"""The path of this package, whose frames are left out of errors."""


def load(target: str) -> Worker:
    """Return the Worker at MODULE:ATTRIBUTE or of an entry point; raises ConfigError."""
    place = target if ":" in target else _entry_point(target)
    module_name, _, attribute = place.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"worker {target!r} must be MODULE:ATTRIBUTE")
    found = _attribute(_module(module_name), attribute)
    if not isinstance(found, Worker):
        raise ConfigError(f"{place} is a {type(found).__name__}, not a Worker")
    return found


def _entry_point(name: str) -> str:
    known = {point.name: point.value for point in entry_points(group=GROUP)}
    if name not in known:
        raise ConfigError(
            f"no worker {name!r}: the entry points of {GROUP} are "
            f"{', '.join(sorted(known)) or 'none'}; a worker of your own is MODULE:ATTRIBUTE"
        )
    return known[name]


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            searched = ", ".join(sys.path[:3])
            raise ConfigError(
                f"module {error.name!r} not found (searched first: {searched})"
            ) from None
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:
        # the author's module may raise anything: one line says where
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> ConfigError:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and not f.filename.startswith(_HERE)]
    place = f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}:{error.lineno}: "
    said = traceback.format_exception_only(error)[-1].strip()
    return ConfigError(f"module {name!r} cannot be imported: {place}{said}")


def _attribute(module: Any, path: str) -> Any:
    found = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            workers = sorted(k for k, v in vars(module).items() if isinstance(v, Worker))
            raise ConfigError(
                f"module {module.__name__!r} has no attribute {path!r}; "
                f"its workers are {', '.join(workers) or 'none'}"
            ) from None
    return found

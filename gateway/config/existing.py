"""Whether what a configuration names exists: files of TLS, and workers."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import ConfigError
from gateway.route_rules import check_routes
from gateway.settings import STOCK_WORKERS
from gateway.tls import destination_context, load, warning_about
from gateway.tls_settings import TlsSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.settings import Settings

WORKERS = "dicom_gateway.workers"
"""The group of entry points for installed workers."""


def check_existing(settings: Settings) -> list[str]:
    """Return warnings; raises ConfigError for a file or worker that is not there or wrong.

    Files are searched for in the working directory, as by `serve`. No worker is imported.
    """
    tls, web = settings.tls, settings.web
    if tls.certificate:
        load(tls)
    elif tls.key or tls.ca:
        raise ConfigError("tls.certificate is empty: tls.key and tls.ca need it")
    if web.certificate:
        load(TlsSettings(web.certificate, web.key))
    for name, destination in settings.destinations.items():
        try:
            destination_context(destination, tls)
        except ConfigError as error:
            raise ConfigError(f"destinations.{name}: {error}") from None
    for name, table in settings.workers.items():
        if table.enabled and (table.worker or name not in STOCK_WORKERS):
            _check_worker(name, table.worker)
    _check_hooks(settings)
    return list(_warnings(settings))


def _check_hooks(settings: Settings) -> None:
    for number, route in enumerate(settings.forward.routes, 1):
        if route.hook and not _exists(route.hook.partition(":")[0]):
            raise ConfigError(
                f'routes[{number}].hook = "{route.hook}": there is no such module in {Path.cwd()} '
                "or among the installed ones"
            )


def _check_worker(name: str, target: str) -> None:
    module, colon, _ = target.partition(":")
    if not colon:
        wanted = target or name
        installed = sorted(point.name for point in entry_points(group=WORKERS))
        if wanted not in installed:
            raise ConfigError(
                f"workers.{name}: no worker {wanted!r} is installed; there are "
                f'{", ".join(installed)}; or state worker = "MODULE:ATTRIBUTE"'
            )
    elif not _exists(module):
        raise ConfigError(
            f'workers.{name}.worker = "{target}": there is no module {module} in '
            f"{Path.cwd()} or among the installed ones"
        )


def _exists(module: str) -> bool:
    """Return whether a module can be found; a file in the working directory comes first."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
    finally:
        del sys.path[0]


def _warnings(settings: Settings) -> Iterator[str]:
    yield from check_routes(settings.forward.routes, settings.destinations)
    own = [one.tls_certificate for one in settings.destinations.values() if one.tls]
    for certificate in dict.fromkeys((settings.tls.certificate, settings.web.certificate, *own)):
        if certificate and (text := warning_about(certificate)):
            yield text

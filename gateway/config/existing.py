"""Whether what a configuration names exists: files of TLS, and workers."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.toml_lines import line_of
from gateway.destination_settings import FILES, SECRETS, check_destinations, read_secret
from gateway.errors import ConfigError
from gateway.route_rules import check_routes
from gateway.settings import STOCK_WORKERS
from gateway.tls import destination_context, load, warning_about
from gateway.tls_settings import TlsSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from gateway.config.tables import Location
    from gateway.settings import Settings, WorkerTable

WORKERS = "dicom_gateway.workers"
"""The group of entry points for installed workers."""
OPTIONS = "dicom_gateway.worker_options"
"""The group of functions that check the options of installed workers, by the worker's name: each
is called with the options and the names of `[destinations]`, and raises ConfigError."""


def check_existing(settings: Settings, file: Path | None = None) -> list[str]:
    """Return warnings; raises ConfigError for a file or worker that is not there or wrong.

    Files are searched for in the working directory, as by `serve`. No worker is imported, only the
    check of its options, if it has one.
    `file` is the configuration, whose line is told.
    """
    check_tls_files(settings, file)
    for name, table in settings.workers.items():
        if not table.enabled:
            continue
        if table.worker or name not in STOCK_WORKERS:
            with _told_with_line(file, ("workers", name), {"worker": table.worker}):
                _check_worker(name, table.worker)
        with _told_with_line(file, ("workers", name)):
            _check_options(name, table, settings.destinations)
    _check_hooks(settings, file)
    with _told_with_line(file, ("fabric",)):
        _check_fabric(settings)
    return list(_warnings(settings))


def check_tls_files(settings: Settings, file: Path | None = None) -> None:
    """Raise ConfigError, with the line, for a file of TLS or a secret that is missing or wrong."""
    tls, web = settings.tls, settings.web
    named = {"certificate": tls.certificate, "key": tls.key, "ca": tls.ca}
    with _told_with_line(file, ("tls",), named):
        if tls.certificate:
            load(tls)
        elif tls.key or tls.ca:
            raise ConfigError("tls.certificate is empty: tls.key and tls.ca need it")
    with _told_with_line(file, ("web",), {"certificate": web.certificate, "key": web.key}):
        if web.certificate:
            load(TlsSettings(web.certificate, web.key))
    for name, destination in settings.destinations.items():
        named = {key: getattr(destination, key) for key in FILES}
        with _told_with_line(file, ("destinations", name), named):
            try:
                destination_context(destination, tls)
                for key in SECRETS:
                    if path := getattr(destination, key):
                        read_secret(path, key)
            except ConfigError as error:
                raise ConfigError(f"destinations.{name}: {error}") from None


@contextmanager
def _told_with_line(
    file: Path | None, table: Location, files: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Put file and line before an error: those of the setting whose value it names, if any."""
    try:
        yield
    except ConfigError as error:
        text = str(error)
        key = next((key for key, value in (files or {}).items() if value and value in text), None)
        place = (*table, key) if key else table
        line = line_of(file.read_text(), place) if file is not None else None
        raise ConfigError(f"{file}:{line}: {text}" if line else text) from None


def _check_fabric(settings: Settings) -> None:
    """Raise ConfigError unless the keys for workers on other hosts are there."""
    fabric, data = settings.fabric, Path(settings.gateway.data)
    if fabric.listen or fabric.connect:
        # it imports zmq, which other configurations do without
        from gateway.fabric.acceptor.allowed_keys import check_keys
        from gateway.fabric.wire.gateway_places import gateway_at

        if fabric.listen:
            check_keys(fabric.keys_dir(data / "run"))
        if fabric.connect:
            gateway_at(data / "run", fabric)


def _check_hooks(settings: Settings, file: Path | None) -> None:
    for number, route in enumerate(settings.forward.routes):
        if route.hook and not _exists(route.hook.partition(":")[0]):
            with _told_with_line(file, ("routes", str(number), "hook")):
                raise ConfigError(
                    f'routes[{number + 1}].hook = "{route.hook}": there is no such module in '
                    f"{Path.cwd()} or among the installed ones"
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


def _check_options(name: str, table: WorkerTable, destinations: Collection[str]) -> None:
    for point in entry_points(group=OPTIONS, name=table.worker or name):
        try:
            point.load()(table.options, destinations)
        except ConfigError as error:
            text = str(error).removeprefix(f"{point.name}: ")
            raise ConfigError(f"workers.{name}.options: {text}") from None


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
    yield from check_destinations(settings.destinations)
    yield from _unused_transforms(settings)
    own = [one.tls_certificate for one in settings.destinations.values() if one.is_tls]
    for certificate in dict.fromkeys((settings.tls.certificate, settings.web.certificate, *own)):
        if certificate and (text := warning_about(certificate)):
            yield text


def _unused_transforms(settings: Settings) -> Iterator[str]:
    """Yield warnings about workers of transforms that are not there, and idle rules."""
    places = {"archive.transform": settings.archive.transform}
    for number, route in enumerate(settings.forward.routes, 1):
        places[f"routes[{number}].transform"] = route.transform
    for place, names in places.items():
        for name in names:
            worker = settings.workers.get(name)
            if worker is None or not worker.enabled:
                yield (
                    f"{place} names the worker {name!r}, which this configuration does not start: "
                    f"nothing is {'kept' if place[0] == 'a' else 'sent'} while it does not run"
                )
    if settings.coerce.rules and "coerce" not in settings.workers:
        yield (
            'coerce.rules are not applied: archive.transform = ["coerce"] starts the worker, and '
            "has it asked"
        )

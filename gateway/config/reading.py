"""Read settings from a file, environment variables and options."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gateway import log
from gateway.coercion_rules import check_coercion
from gateway.config.error_text import explain, unknown_variable
from gateway.config.tables import MODEL, PREFIX, ROUTES, locations
from gateway.config.toml_lines import line_of
from gateway.destination_settings import check_destinations
from gateway.errors import ConfigError
from gateway.route_rules import check_routes
from gateway.settings import Settings, from_map

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gateway.config.tables import Location

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
"""The variable that names the file; the only one with the prefix that is not a setting."""

COERCE = "coerce"
"""The stock worker that is started once a `transform` names it."""

_SERVICE_LINK = re.compile(rf"{PREFIX}(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
"""Variables that Kubernetes sets in every container if a Service is named dicom-gateway."""


def load(
    file: Path | None,
    *,
    environment: Mapping[str, str],
    options: Mapping[Location, Any] | None = None,
) -> Settings:
    """Return the effective settings: options override the environment, and that the file.

    `options` maps paths such as ("gateway", "port") to values; None means that an option was not
    given. Raises ConfigError.
    """
    values: dict[str, Any] = {"workers": {name: {} for name in Settings().workers}}
    sources: dict[Location, str] = {}
    text = _text_of(file) if file is not None else ""
    for location, value in _from_text(text, file):
        _put(values, location, value)
        sources[location] = str(file)
    for name, location, value in _from_environment(environment, values["workers"]):
        _put(values, location, value)
        sources[location] = name
    for location, value in (options or {}).items():
        if value is not None:
            _put(values, location, value)
            sources[location] = f"--{location[-1].replace('_', '-')}"
    _start_needed(values)
    try:
        model = MODEL.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, sources, text)) from None
    settings = from_map(Settings, model.model_dump(exclude_unset=True))
    _check_meaning(settings, file, text)
    return settings


def _given(values: Mapping[str, Any], table: str, name: str) -> Any:
    """Return what was given for a setting, valid or not; None: nothing."""
    inner = values.get(table)
    return inner.get(name) if isinstance(inner, dict) else None


def _items(value: Any) -> list[str]:
    """Return the texts of a list, which an environment variable separates by commas."""
    items = value.split(",") if isinstance(value, str) else value
    return [str(one).strip() for one in items] if isinstance(items, list) else []


def _start_needed(values: dict[str, Any]) -> None:
    """Have stock workers started that other settings need, although there is no table for them."""
    needed = []
    transforms = _items(_given(values, "archive", "transform"))
    if routes := _given(values, "forward", "routes"):
        needed.append("forward")
        for route in routes if isinstance(routes, list) else ():
            transforms += _items(_given({"route": route}, "route", "transform"))
    if COERCE in transforms:
        needed.append(COERCE)
    if isinstance(values["workers"], dict):
        for name in needed:
            values["workers"].setdefault(name, {})


def _check_meaning(settings: Settings, file: Path | None, text: str) -> None:
    """Raise ConfigError, with the line, for a destination or rule that cannot be meant."""
    try:
        check_destinations(settings.destinations)
        check_routes(settings.forward.routes, settings.destinations)
        check_coercion(settings.coerce)
        _check_transforms(settings.archive.transform)
    except ConfigError as error:
        line = line_of(text, place) if (place := _place_in(str(error))) else None
        raise ConfigError(f"{file}:{line}: {error}" if line else str(error)) from None


def _check_transforms(names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(f"archive.transform names {name!r} twice")


def _place_in(error: str) -> Location:
    """Return the place of the setting that an error begins with; empty: it is not known."""
    if found := re.match(r"routes\[(\d+)\]\.(\w+)", error):
        return "routes", str(int(found[1]) - 1), found[2]
    if error.startswith("archive.transform "):
        return "archive", "transform"
    if found := re.match(r"coerce\.rules\[(\d+)\](?:\.(\w+))?", error):
        return "coerce", "rules", str(int(found[1]) - 1), *found.groups("")[1:]
    if found := re.match(r"destinations\.(.{1,16}?)\.(\w+)", error):
        return "destinations", found[1], found[2]
    return ()


def _text_of(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {log.escape(str(error))}") from None


def _from_text(text: str, file: Path | None) -> Iterator[tuple[Location, Any]]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {log.escape(str(error))}") from None
    routes = tables.pop("routes", None)
    yield from _leaves((), tables)
    if routes is not None:
        yield ROUTES, routes


def _leaves(location: Location, value: Any) -> Iterator[tuple[Location, Any]]:
    """Yield the settings of nested tables; the options of a worker are one setting."""
    if isinstance(value, dict) and len(location) < 3 and location[-1:] != ("options",):
        if location[:1] in (("workers",), ("destinations",)) and not value:
            yield location, value
        for key, inner in value.items():
            yield from _leaves((*location, key), inner)
    else:
        yield location, value


def _from_environment(
    environment: Mapping[str, str], workers: Any
) -> Iterator[tuple[str, Location, Any]]:
    names = {name.lower(): name for name in workers} if isinstance(workers, dict) else {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or _is_not_ours(variable, text):
            continue
        parts = variable.removeprefix(PREFIX).lower().split("__")
        if parts[0] == "workers" and len(parts) > 1:
            parts[1] = names.get(parts[1], parts[1])
        elif parts[0] == "destinations" and len(parts) > 1:
            parts[1] = variable.removeprefix(PREFIX).split("__")[1]
        elif tuple(parts) not in locations():
            raise ConfigError(unknown_variable(variable, text))
        is_option = parts[0] == "workers" and parts[3:] and parts[2] == "options"
        yield variable, tuple(parts), _literal(text) if is_option else text


def _is_not_ours(variable: str, text: str) -> bool:
    if variable == f"{PREFIX}PORT":
        return "://" in text
    return variable == CONFIG_VARIABLE or _SERVICE_LINK.fullmatch(variable) is not None


def _literal(text: str) -> Any:
    """Return an option of a worker, whose type is unknown: a TOML value, or else the text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text


def _put(values: dict[str, Any], location: Location, value: Any) -> None:
    *tables, key = location
    for name in tables:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # reported as an error of that setting
        values = inner
    values[key] = value

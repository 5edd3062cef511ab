"""Where settings come from: a TOML file, the environment and command options, in this order.

The fields and defaults are those of `gateway.settings`; here stands what each may be. The tables
are read by pydantic models made from both, so that a setting is stated once. Whatever is unknown
or wrong is one `ConfigError` of one line: where it came from, its path, its value, and what would
be right.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic import create_model as make_model

from gateway import events, log
from gateway.errors import ConfigError
from gateway.settings import (
    ArchiveSettings,
    AssociationSettings,
    Destination,
    FabricSettings,
    LogSettings,
    PolicySettings,
    ServeSettings,
    Settings,
    SpoolSettings,
    WorkerTable,
    from_map,
    to_map,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PREFIX = "DICOM_GATEWAY_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
"""Names the file; the one variable of the prefix that is not a setting."""

_SERVICE_LINK = re.compile(rf"{PREFIX}(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
"""What Kubernetes sets in every container beside a Service called dicom-gateway."""

_WORKER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TARGET = re.compile(r"([A-Za-z0-9._-]+|[\w.]+:[\w.]+)?")

Location = tuple[str, ...]


# What each setting may be


@dataclass(frozen=True, slots=True)
class Rule:
    """A type that pydantic understands, and the same in words."""

    kind: Any
    words: str


def _whole(low: int, high: int) -> Rule:
    kind = Annotated[int, BeforeValidator(_not_bool), Field(ge=low, le=high)]
    return Rule(kind, f"a whole number from {low} to {high}")


def _seconds(low: float = 0.1, high: float = 86_400) -> Rule:
    limits = Field(ge=low, le=high, allow_inf_nan=False)
    kind = Annotated[float, BeforeValidator(_not_bool), limits]
    return Rule(kind, f"a number of seconds from {low:g} to {high:g}")


def _one_of(*words: str) -> Rule:
    kind = Annotated[str, AfterValidator(_must(lambda text: text in words))]
    return Rule(kind, f"{', '.join(words[:-1])} or {words[-1]}")


def _text(right: Callable[[str], bool], words: str) -> Rule:
    return Rule(Annotated[str, AfterValidator(_must(right))], words)


def _texts(right: Callable[[str], bool], words: str) -> Rule:
    item = Annotated[str, AfterValidator(_must(right))]
    return Rule(Annotated[tuple[item, ...], BeforeValidator(_split)], words)


def _must(right: Callable[[str], bool]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not right(text):
            raise ValueError
        return text

    return check


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError
    return value


def _split(value: Any) -> Any:
    """A list in the environment is written with commas."""
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",") if item.strip()]


def _host_and_port(value: Any) -> Any:
    """A destination in one text is HOST:PORT."""
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    if not (host and port.isdecimal()):
        raise ValueError
    return {"host": host.removeprefix("[").removesuffix("]"), "port": int(port)}


def is_ae_title(text: str) -> bool:
    """PS3.5 6.2, AE: 16 characters of the default repertoire; no backslash, not only spaces."""
    return (
        1 <= len(text) <= 16
        and all(" " <= character <= "~" for character in text)
        and "\\" not in text
        and bool(text.strip())
    )


def _is_intervention(name: str) -> bool:
    event = getattr(events, name, None)
    return isinstance(event, events.InterventionEvent)


AE_TITLE = "1 to 16 ASCII characters without backslash and control characters, not only spaces"
_FLAG = Rule(bool, "true or false")
_AE = _text(is_ae_title, AE_TITLE)
_TIB = 1 << 40

_RULES: dict[type, dict[str, Rule]] = {
    ServeSettings: {
        "host": _text(lambda text: bool(text.strip()), "an address or host name"),
        "port": _whole(0, 65_535),
        "ae_title": _AE,
        "data": _text(lambda text: bool(text) and "\0" not in text, "the path of a directory"),
        "acceptors": _whole(1, 64),
        "durability": _one_of("durable", "written"),
        "drain_timeout": _seconds(0),
    },
    AssociationSettings: {
        "max_pdu": _whole(1024, 0x7FFF_FFFF),
        "artim_timeout": _seconds(),
        "acse_timeout": _seconds(),
        "dimse_timeout": _seconds(),
        "network_timeout": _seconds(),
        "send_timeout": _seconds(),
        "max_associations": _whole(1, 1_000_000),
        "max_pending": _whole(1, 1_000_000),
        "max_operations_performed": _whole(1, 65_535),
    },
    PolicySettings: {
        "require_called_ae_title": _FLAG,
        "calling_ae_titles": _texts(is_ae_title, f"a list of AE titles, each {AE_TITLE}"),
        "unrestricted": _FLAG,
        "require": _texts(_is_intervention, "a list of intervention events, such as EVT_C_STORE"),
    },
    SpoolSettings: {
        "inline_max": _whole(0, 16 << 20),
        "min_free": _whole(0, _TIB),
        "refuse_below": _whole(0, _TIB),
    },
    FabricSettings: {
        "heartbeat": _seconds(0.05, 60),
        "lease_grace": _seconds(0, 3600),
        "queue": _whole(1, 1_000_000),
        "ring": _whole(0, 1_000_000),
        "high_water_mark": _whole(1, 10_000_000),
    },
    ArchiveSettings: {
        "duplicates": _one_of("keep_first", "replace", "reject"),
        "conflict": _one_of("warning", "failure"),
        "dsn": _text(lambda text: "\0" not in text, "a PostgreSQL connection string"),
        "holder": _text(lambda text: not text or is_ae_title(text), AE_TITLE),
        "shared": _FLAG,
        "guard": _text(lambda text: "\0" not in text, "the path of a file"),
        "relational": _FLAG,
    },
    LogSettings: {"level": _one_of(*log.LEVELS), "format": _one_of(*log.FORMATS)},
    WorkerTable: {
        "enabled": _FLAG,
        "worker": _text(
            lambda text: _TARGET.fullmatch(text) is not None,
            "the name of an installed worker, or MODULE:ATTRIBUTE",
        ),
        "processes": _whole(1, 256),
        "concurrency": _whole(0, 10_000),
        "options": Rule(dict[str, Any], "a table"),
    },
    Destination: {
        "host": _text(lambda text: bool(text.strip()), "an address or host name"),
        "port": _whole(1, 65_535),
        "ae_title": _text(lambda text: not text or is_ae_title(text), AE_TITLE),
        "operations": _whole(1, 1000),
        "associations": _whole(1, 100),
    },
}
_NAMED: dict[str, type] = {"workers": WorkerTable, "destinations": Destination}
"""Tables of tables, whose names the user gives."""


def _model(kind: type) -> type[BaseModel]:
    """The table of a settings class; unset members stay unset, their defaults are the class's."""
    members: dict[str, Any] = {
        name: (rule.kind, ... if kind is Destination and name in ("host", "port") else None)
        for name, rule in _RULES[kind].items()
    }
    return make_model(kind.__name__, __config__=ConfigDict(extra="forbid"), **members)


_TABLES: dict[str, type] = {
    name: kind for name, kind in get_type_hints(Settings).items() if kind in _RULES
}
_Name = Annotated[str, AfterValidator(_must(lambda text: bool(_WORKER_NAME.fullmatch(text))))]
_Title = Annotated[str, AfterValidator(_must(lambda text: is_ae_title(text)))]
_Place: Any = Annotated[_model(Destination), BeforeValidator(_host_and_port)]
_MODEL: type[BaseModel] = make_model(
    "Settings",
    __config__=ConfigDict(extra="forbid"),
    workers=(dict[_Name, _model(WorkerTable)], None),  # type: ignore[misc]
    destinations=(dict[_Title, _Place], None),
    **{name: (_model(kind), None) for name, kind in _TABLES.items()},  # type: ignore[call-overload]
)


# Reading


def load(
    file: Path | None,
    *,
    environment: Mapping[str, str],
    options: Mapping[Location, Any] | None = None,
) -> Settings:
    """The effective settings; an option wins over the environment, and that over the file.

    `options` maps paths such as ("gateway", "port") to values; None means that it was not given.
    Raises ConfigError.
    """
    values: dict[str, Any] = {"workers": {name: {} for name in Settings().workers}}
    sources: dict[Location, str] = {}
    for location, value in _from_file(file):
        _put(values, location, value)
        sources[location] = str(file)
    for name, location, value in _from_environment(environment, values["workers"]):
        _put(values, location, value)
        sources[location] = name
    for location, value in (options or {}).items():
        if value is not None:
            _put(values, location, value)
            sources[location] = f"--{location[-1].replace('_', '-')}"
    try:
        model = _MODEL.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, sources)) from None
    return from_map(Settings, model.model_dump(exclude_unset=True))


def _from_file(file: Path | None) -> Iterator[tuple[Location, Any]]:
    if file is None:
        return
    try:
        with file.open("rb") as stream:
            tables = tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {log.escape(str(error))}") from None
    yield from _leaves((), tables)


def _leaves(location: Location, value: Any) -> Iterator[tuple[Location, Any]]:
    """The settings of nested tables; a worker's options are one setting."""
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
        elif tuple(parts) not in _locations():
            raise ConfigError(_unknown_variable(variable, text))
        is_option = parts[0] == "workers" and parts[3:] and parts[2] == "options"
        yield variable, tuple(parts), _literal(text) if is_option else text


def _is_not_ours(variable: str, text: str) -> bool:
    if variable == f"{PREFIX}PORT":
        return "://" in text
    return variable == CONFIG_VARIABLE or _SERVICE_LINK.fullmatch(variable) is not None


def _literal(text: str) -> Any:
    """An option of a worker has no known type: a TOML value, or else plain text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text


def _put(values: dict[str, Any], location: Location, value: Any) -> None:
    *tables, key = location
    for name in tables:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # its own error says so
        values = inner
    values[key] = value


# Explaining


def _locations() -> list[Location]:
    return [(table, name) for table, kind in _TABLES.items() for name in _RULES[kind]]


def _explain(error: ValidationError, sources: Mapping[Location, str]) -> str:
    first, *others = error.errors(include_url=False)
    location = tuple(str(part) for part in first["loc"] if part != "[key]")
    named = [part for part in location if not part.isdecimal() or location[0] in _NAMED]
    place = tuple(named)
    path = log.escape(".".join(place))
    if first["type"] == "missing":
        text = f"{path} is missing: it must be {_words(place)}"
    elif first["type"] == "extra_forbidden":
        text = f"{path} = {_shown(first['input'])}: there is no such setting{_hint(place)}"
    else:
        text = f"{path} = {_shown(first['input'])}: it must be {_words(place)}"
    source = next((s for at, s in sources.items() if at[: len(place)] == place), None)
    more = f" (and {len(others)} more)" if others else ""
    return f"{source}: {text}{more}" if source else f"{text}{more}"


def _shown(value: Any) -> str:
    text = log.escape(_toml_value(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _words(place: Location) -> str:
    if place[0] in _NAMED:
        if len(place) == 2 and place[0] == "workers" and not _WORKER_NAME.fullmatch(place[1]):
            return "named with letters, digits, dot, dash and underscore"
        if len(place) == 2 and place[0] == "destinations":
            named = f'"HOST:PORT" or a table, named with an AE title ({AE_TITLE})'
            return named if not is_ae_title(place[1]) else '"HOST:PORT" or a table'
        rules = _RULES[_NAMED[place[0]]]
        return rules[place[2]].words if len(place) > 2 else "a table"
    return _RULES[_TABLES[place[0]]][place[1]].words if len(place) > 1 else "a table"


def _hint(place: Location) -> str:
    """What an unknown name probably meant: a neighbour, or the same name in another table."""
    if len(place) == 1:
        neighbours = [*_TABLES, *_NAMED]
    else:
        neighbours = list(_RULES[_NAMED.get(place[0]) or _TABLES[place[0]]])
    if near := difflib.get_close_matches(place[-1], neighbours, 1, 0.6):
        return f"; did you mean {'.'.join((*place[:-1], near[0]))}?"
    for table, name in _locations():
        if name == place[-1]:
            return f"; did you mean {table}.{name}?"
    return f"; there are {', '.join(neighbours)}"


def _unknown_variable(variable: str, text: str) -> str:
    given = variable.removeprefix(PREFIX)
    known = [f"{table}__{name}".upper() for table, name in _locations()]
    near = [name for name in known if name.split("__")[1] == given.split("__")[-1]]
    near += difflib.get_close_matches(given, known, 1, 0.6)
    hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
    return f"environment variable {log.escape(variable)} = {_shown(text)}: no such setting{hint}"


# Writing


def to_toml(settings: Settings) -> str:
    """The settings as a file that `load` reads."""
    tables = to_map(settings)
    workers = tables.pop("workers")
    tables |= {f"workers.{_toml_key(name)}": table for name, table in workers.items()}
    return "\n".join(
        "\n".join([f"[{name}]", *(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in table.items())])
        + "\n"
        for name, table in tables.items()
    )


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, str):  # a JSON string is a TOML string, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)  # numbers, dates and times

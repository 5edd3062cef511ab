"""The valid values of each setting; `gateway.settings` states its name and default."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic import create_model as make_model

from gateway import events, log
from gateway.config.rules import (
    AE_TITLE,
    FLAG,
    Rule,
    is_ae_title,
    must,
    one_of,
    seconds,
    text_that,
    texts,
    whole,
)
from gateway.settings import (
    CONFLICT,
    DUPLICATES,
    ArchiveSettings,
    AssociationSettings,
    Destination,
    FabricSettings,
    LogSettings,
    PolicySettings,
    ServeSettings,
    Settings,
    SpoolSettings,
    TlsSettings,
    WorkerTable,
)

PREFIX = "DICOM_GATEWAY_"
"""The prefix of environment variables."""

Location = tuple[str, ...]

WORKER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TARGET = re.compile(r"([A-Za-z0-9._-]+|[\w.]+:[\w.]+)?")
_AE = text_that(is_ae_title, AE_TITLE)
_FILE = text_that(lambda text: "\0" not in text, "the path of a file")
_TIB = 1 << 40


def _is_intervention(name: str) -> bool:
    event = getattr(events, name, None)
    return isinstance(event, events.InterventionEvent)


def _host_and_port(value: Any) -> Any:
    """Return the table for a destination that is written as HOST:PORT."""
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    if not (host and port.isdecimal()):
        raise ValueError
    return {"host": host.removeprefix("[").removesuffix("]"), "port": int(port)}


RULES: dict[type, dict[str, Rule]] = {
    ServeSettings: {
        "host": text_that(lambda text: bool(text.strip()), "an address or host name"),
        "port": whole(0, 65_535),
        "ae_title": _AE,
        "data": text_that(lambda text: bool(text) and "\0" not in text, "the path of a directory"),
        "acceptors": whole(1, 64),
        "durability": one_of("durable", "written"),
        "drain_timeout": seconds(0),
    },
    TlsSettings: {
        **dict.fromkeys(("certificate", "key", "ca"), _FILE),
        "require_client_certificate": FLAG,
    },
    AssociationSettings: {
        "max_pdu": whole(1024, 0x7FFF_FFFF),
        "artim_timeout": seconds(),
        "acse_timeout": seconds(),
        "dimse_timeout": seconds(),
        "network_timeout": seconds(),
        "send_timeout": seconds(),
        "max_associations": whole(1, 1_000_000),
        "max_pending": whole(1, 1_000_000),
        "max_operations_performed": whole(1, 65_535),
    },
    PolicySettings: {
        "require_called_ae_title": FLAG,
        "calling_ae_titles": texts(is_ae_title, f"a list of AE titles, each {AE_TITLE}"),
        "unrestricted": FLAG,
        "require": texts(_is_intervention, "a list of intervention events, such as EVT_C_STORE"),
    },
    SpoolSettings: {
        "inline_max": whole(0, 16 << 20),
        "min_free": whole(0, _TIB),
        "refuse_below": whole(0, _TIB),
    },
    FabricSettings: {
        "heartbeat": seconds(0.05, 60),
        "lease_grace": seconds(0, 3600),
        "queue": whole(1, 1_000_000),
        "ring": whole(0, 1_000_000),
        "high_water_mark": whole(1, 10_000_000),
    },
    ArchiveSettings: {
        "duplicates": one_of(*DUPLICATES),
        "conflict": one_of(*CONFLICT),
        "dsn": text_that(lambda text: "\0" not in text, "a PostgreSQL connection string"),
        "holder": text_that(lambda text: not text or is_ae_title(text), AE_TITLE),
        "shared": FLAG,
        "guard": _FILE,
        "relational": FLAG,
        "combined": FLAG,
    },
    LogSettings: {"level": one_of(*log.LEVELS), "format": one_of(*log.FORMATS)},
    WorkerTable: {
        "enabled": FLAG,
        "worker": text_that(
            lambda text: _TARGET.fullmatch(text) is not None,
            "the name of an installed worker, or MODULE:ATTRIBUTE",
        ),
        "processes": whole(1, 256),
        "concurrency": whole(0, 10_000),
        "options": Rule(dict[str, Any], "a table"),
    },
    Destination: {
        "host": text_that(lambda text: bool(text.strip()), "an address or host name"),
        "port": whole(1, 65_535),
        "ae_title": text_that(lambda text: not text or is_ae_title(text), AE_TITLE),
        "operations": whole(1, 1000),
        "associations": whole(1, 100),
    },
}
NAMED: dict[str, type] = {"workers": WorkerTable, "destinations": Destination}
"""Tables of tables, whose names the user chooses."""


def _model(kind: type) -> type[BaseModel]:
    """Return the model of a settings class, without defaults: those are in the class itself."""
    members: dict[str, Any] = {
        name: (rule.kind, ... if kind is Destination and name in ("host", "port") else None)
        for name, rule in RULES[kind].items()
    }
    return make_model(kind.__name__, __config__=ConfigDict(extra="forbid"), **members)


TABLES: dict[str, type] = {
    name: kind for name, kind in get_type_hints(Settings).items() if kind in RULES
}
_Name = Annotated[str, AfterValidator(must(lambda text: bool(WORKER_NAME.fullmatch(text))))]
_Title = Annotated[str, AfterValidator(must(lambda text: is_ae_title(text)))]
_Place: Any = Annotated[_model(Destination), BeforeValidator(_host_and_port)]
MODEL: type[BaseModel] = make_model(
    "Settings",
    __config__=ConfigDict(extra="forbid"),
    workers=(dict[_Name, _model(WorkerTable)], None),  # type: ignore[misc]
    destinations=(dict[_Title, _Place], None),
    **{name: (_model(kind), None) for name, kind in TABLES.items()},  # type: ignore[call-overload]
)


def locations() -> list[Location]:
    """Return every setting of the tables whose names are fixed."""
    return [(table, name) for table, kind in TABLES.items() for name in RULES[kind]]

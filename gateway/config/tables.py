"""The valid values of each setting; `gateway.settings` states its name and default."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic import create_model as make_model

from gateway import events, log, policy_rules, policy_settings, settings, worker_settings
from gateway.config import rules
from gateway.destination_settings import FILES, is_sent_in, is_service_url, service_at
from gateway.sending_hours import is_hours
from gateway.tls_settings import PROFILES

PREFIX = "DICOM_GATEWAY_"
"""The prefix of environment variables."""

Location = tuple[str, ...]

WORKER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TARGET = re.compile(r"([A-Za-z0-9._-]+|[\w.]+:[\w.]+)?")
_AE = rules.text_that(rules.is_ae_title, rules.AE_TITLE)
_FILE = rules.text_that(lambda text: "\0" not in text, "the path of a file")
_FETCH_ADDRESS = re.compile(r"(?:\[[^\[\]]+\]|[^:\[\]\s]+)(?::[0-9]{1,5})?")
_LINE = rules.text_that(str.isprintable, "a text in one line")
_URL = rules.text_that(
    lambda text: not text or is_service_url(text),
    "http://HOST/... or https://HOST/..., without name, password, query and fragment",
)
_STORE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9._-]+)*/?")
_ENDPOINT = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?/?")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_TIB = 1 << 40
_TRANSFORM = rules.texts(
    lambda text: WORKER_NAME.fullmatch(text) is not None,
    "a list of names of workers, which hold EVT_STORE_TRANSFORM",
)


def _is_intervention(name: str) -> bool:
    event = getattr(events, name, None)
    return isinstance(event, events.InterventionEvent)


def _host_and_port(value: Any) -> Any:
    """Return the table for a destination that is written as HOST:PORT or URL, or that has a URL."""
    if isinstance(value, str) and "://" in value:
        value = {"url": value}
    if isinstance(value, dict) and isinstance(url := value.get("url"), str) and url:
        is_right = is_service_url(url)  # if not, that is what is told
        service = service_at(url) if is_right else service_at("http://none")
        return {"host": service.host, "port": service.port} | value
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    if not (host and port.isdecimal()):
        raise ValueError
    return {"host": host.removeprefix("[").removesuffix("]"), "port": int(port)}


def _is_place(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and int(port) <= 65_535


_LIST = "a list of AE titles, in which * and ? stand for any characters"
_LONG_STRING = rules.text_that(
    lambda text: len(text) <= 64 and text.isprintable() and "\\" not in text,
    "a text of at most 64 characters (PS3.5 6.2, VR LO)",
)
_ATTRIBUTES = 'a table of attributes and their values, such as {InstitutionName = "Example"}'

RULES: dict[type, dict[str, rules.Rule]] = {
    settings.ServeSettings: {
        "host": rules.text_that(lambda text: bool(text.strip()), "an address or host name"),
        "port": rules.whole(0, 65_535),
        "ae_title": _AE,
        "data": rules.text_that(
            lambda text: bool(text) and "\0" not in text, "the path of a directory"
        ),
        "acceptors": rules.whole_or(settings.AUTO, 1, settings.MOST_ACCEPTORS),
        "balancers": rules.texts(rules.is_network, "a list of networks, such as 10.0.0.5/32"),
        "durability": rules.one_of("durable", "written"),
        "drain_timeout": rules.seconds(0),
        "hang_timeout": rules.seconds(0),
    },
    settings.TlsSettings: {
        **dict.fromkeys(("certificate", "key", "ca"), _FILE),
        "require_client_certificate": rules.FLAG,
        "profile": rules.one_of(*PROFILES),
    },
    settings.AssociationSettings: {
        "max_pdu": rules.whole(1024, 0x7FFF_FFFF),
        "artim_timeout": rules.seconds(),
        "acse_timeout": rules.seconds(),
        "dimse_timeout": rules.seconds(),
        "network_timeout": rules.seconds(),
        "send_timeout": rules.seconds(),
        "max_associations": rules.whole(1, 1_000_000),
        "max_pending": rules.whole(1, 1_000_000),
        "max_operations_performed": rules.whole(1, 65_535),
    },
    settings.LimitsSettings: {
        "gathered": rules.whole(1 << 20, _TIB),
        "identifier": rules.whole(1024, 1 << 30),
        "data_set": rules.whole(1024, 1 << 30),
        "data_rate": rules.whole(0, 1 << 30),
        "data_rate_period": rules.seconds(),
        "instances_per_second": rules.whole(0, 1_000_000),
        "associations_per_address": rules.whole(0, 1_000_000),
        "associations_per_title": rules.whole(0, 1_000_000),
        "trusted": rules.texts(rules.is_network, "a list of networks, such as 10.0.0.0/24"),
    },
    policy_settings.PolicySettings: {
        "require_called_ae_title": rules.FLAG,
        "calling_ae_titles": rules.texts(
            rules.is_ae_title, f"a list of AE titles, each {rules.AE_TITLE}"
        ),
        "unrestricted": rules.FLAG,
        "allow_plain_passwords": rules.FLAG,
        "require": rules.texts(
            _is_intervention, "a list of intervention events, such as EVT_C_STORE"
        ),
    },
    policy_settings.PolicyRule: {
        "name": rules.text_that(lambda text: len(text) <= 64, "a text of at most 64 characters"),
        "calling": rules.texts(rules.is_ae_title, _LIST),
        "called": rules.texts(rules.is_ae_title, _LIST),
        "addresses": rules.texts(rules.is_network, "a list of networks, such as 10.0.0.0/24"),
        "tls_subjects": rules.texts(bool, "a list of subjects, such as CN=CT1"),
        "accept": rules.FLAG,
        "user_identity": rules.FLAG,
        "services": rules.texts(
            policy_rules.SERVICE_WORDS.__contains__,
            f"a list of services and requests: {', '.join(policy_rules.SERVICE_WORDS)}",
        ),
        "sop_classes": rules.texts(
            policy_rules.is_sop_class, "a list of SOP classes, by UID or keyword"
        ),
        "transfer_syntaxes": rules.texts(
            policy_rules.is_transfer_syntax, "a list of transfer syntaxes, by UID or keyword"
        ),
        "roles": rules.texts(policy_rules.ROLES.__contains__, "a list of scu and scp"),
    },
    settings.SpoolSettings: {
        "inline_max": rules.whole(0, 16 << 20),
        "min_free": rules.whole(0, _TIB),
        "refuse_below": rules.whole(0, _TIB),
    },
    settings.FabricSettings: {
        "heartbeat": rules.seconds(0.05, 60),
        "lease_grace": rules.seconds(0, 3600),
        "queue": rules.whole(1, 1_000_000),
        "ring": rules.whole(0, 1_000_000),
        "high_water_mark": rules.whole(1, 10_000_000),
        "listen": rules.text_that(
            lambda text: not text or rules.is_tcp(text, address=True),
            "tcp://ADDRESS:PORT with an IP address; it always uses CURVE, other transports are not"
            " for other hosts",
        ),
        "keys": _FILE,
        "connections": rules.whole(8, 100_000),
        "connect": rules.text_that(
            lambda text: not text or rules.is_tcp(text), "tcp://HOST:PORT; it always uses CURVE"
        ),
        "server_key": rules.text_that(
            lambda text: re.fullmatch("(?:[0-9a-fA-F]{64})?", text) is not None,
            "64 hexadecimal digits",
        ),
        "key_file": _FILE,
        "shared_spool": _FILE,
    },
    settings.ArchiveSettings: {
        "duplicates": rules.one_of(*settings.DUPLICATES),
        "patient_mismatch": rules.one_of(*settings.PATIENT_MISMATCH),
        "conflict": rules.one_of(*settings.CONFLICT),
        "incomplete": rules.one_of(*settings.INCOMPLETE),
        "dsn": rules.text_that(lambda text: "\0" not in text, "a PostgreSQL connection string"),
        "holder": rules.text_that(lambda text: not text or rules.is_ae_title(text), rules.AE_TITLE),
        "fetch_address": rules.text_that(
            lambda text: not text or _FETCH_ADDRESS.fullmatch(text) is not None,
            "HOST or HOST:PORT",
        ),
        "shared": rules.FLAG,
        "guard": _FILE,
        "transform": _TRANSFORM,
        "transform_limit": rules.whole(1024, _TIB),
        "store": rules.text_that(
            lambda text: not text or _STORE.fullmatch(text) is not None, "s3://BUCKET/PREFIX"
        ),
        "store_endpoint": rules.text_that(
            lambda text: not text or _ENDPOINT.fullmatch(text) is not None,
            "a URL such as https://s3.example:9000",
        ),
        "store_region": rules.text_that(
            lambda text: _REGION.fullmatch(text) is not None, "a region such as eu-central-1"
        ),
        "store_credentials": _FILE,
        "store_ca": _FILE,
        "stage": rules.text_that(settings.STAGE.__contains__, "spool, or empty"),
        "stage_max": rules.whole(0, _TIB),
        "relational": rules.FLAG,
        "transcode": rules.FLAG,
        "combined": rules.FLAG,
    },
    settings.CoerceRule: {
        "name": rules.text_that(lambda text: len(text) <= 64, "a text of at most 64 characters"),
        "calling": rules.texts(rules.is_ae_title, _LIST),
        "called": rules.texts(rules.is_ae_title, _LIST),
        "set": rules.Rule(dict[str, Any], _ATTRIBUTES),
        "default": rules.Rule(dict[str, Any], _ATTRIBUTES),
        "remove": rules.texts(bool, "a list of attributes, by keyword or as (GGGG,EEEE)"),
        "source": _LONG_STRING,
        "reason": rules.one_of("COERCE", "CORRECT"),
    },
    settings.CoerceSettings: {"original_attributes": rules.FLAG, "modifying_system": _LONG_STRING},
    settings.WebSettings: {
        "host": rules.text_that(lambda text: bool(text.strip()), "an address or host name"),
        "port": rules.whole(0, 65_535),
        "names": rules.texts(lambda text: bool(text.strip()), "a list of host names"),
        **dict.fromkeys(("certificate", "key"), _FILE),
        "behind_proxy": rules.FLAG,
        "probes": rules.text_that(
            lambda text: not text or _is_place(text), "ADDRESS:PORT, such as 0.0.0.0:11181"
        ),
    },
    settings.CommitmentSettings: {
        "keep_for": rules.seconds(0, 31_536_000),
        "most_open": rules.whole(3, 1_000_000),
        "most_bytes": rules.whole(1 << 20, _TIB),
    },
    settings.DicomWebSettings: {
        "host": rules.text_that(lambda text: bool(text.strip()), "an address or host name"),
        "port": rules.whole(0, 65_535),
        "names": rules.texts(lambda text: bool(text.strip()), "a list of host names"),
        **dict.fromkeys(("certificate", "key"), _FILE),
        "behind_proxy": rules.FLAG,
        "token": rules.text_that(
            lambda text: not text or (len(text) >= 16 and text.isascii() and text.isprintable()),
            "at least 16 printable characters of ASCII",
        ),
        "ae_title": rules.text_that(rules.is_ae_title, rules.AE_TITLE),
        "longest": rules.whole(1, 1 << 50),
    },
    settings.RetentionSettings: {
        "max_age": rules.seconds(0, 10_000_000_000),
        "min_free": rules.whole(0, 1 << 60),
        "min_age": rules.seconds(0, 10_000_000_000),
        "every": rules.seconds(1, 31_536_000),
    },
    settings.TranscodingSettings: {
        "processes": rules.whole(1, 64),
        "time": rules.seconds(1, 3600),
        "memory": rules.whole(64 << 20, _TIB),
        "largest": rules.whole(1 << 20, 0xFFFFFFFE),
    },
    settings.ForwardSettings: {
        "calling_ae_title": rules.text_that(
            lambda text: not text or rules.is_ae_title(text), rules.AE_TITLE
        ),
        "first_pause": rules.seconds(),
        "longest_pause": rules.seconds(),
        "attempts": rules.whole(1, 1_000_000),
        "keep_for": rules.seconds(0, 10_000_000_000),
    },
    settings.ForwardRoute: {
        "name": rules.text_that(lambda text: len(text) <= 64, "a text of at most 64 characters"),
        "when": rules.text_that(lambda text: len(text) <= 4096, "a condition"),
        "destinations": rules.texts(rules.is_ae_title, "a list of names in [destinations]"),
        "mode": rules.one_of(*worker_settings.MODES),
        "priority": rules.one_of(*worker_settings.PRIORITIES),
        "delay": rules.seconds(0, 31_536_000),
        "hook": rules.text_that(lambda text: "\0" not in text, "MODULE:FUNCTION"),
        "transform": _TRANSFORM,
    },
    settings.LogSettings: {
        "level": rules.one_of(*log.LEVELS),
        "format": rules.one_of(*log.FORMATS),
        "repeats": rules.whole(0, 1_000_000),
    },
    settings.WorkerTable: {
        "enabled": rules.FLAG,
        "worker": rules.text_that(
            lambda text: _TARGET.fullmatch(text) is not None,
            "the name of an installed worker, or MODULE:ATTRIBUTE",
        ),
        "processes": rules.whole(1, 256),
        "concurrency": rules.whole(0, 10_000),
        "options": rules.Rule(dict[str, Any], "a table"),
    },
    settings.Destination: {
        "host": rules.text_that(lambda text: bool(text.strip()), "an address or host name"),
        "port": rules.whole(1, 65_535),
        "ae_title": rules.text_that(
            lambda text: not text or rules.is_ae_title(text), rules.AE_TITLE
        ),
        "operations": rules.whole(1, 1000),
        "associations": rules.whole(1, 100),
        "tls": rules.FLAG,
        "tls_name": rules.text_that(lambda text: "\0" not in text, "a host name"),
        **dict.fromkeys(FILES, _FILE),
        "order": rules.text_that(lambda text: text in ("", "series"), "series, or empty"),
        "confirm": rules.text_that(
            lambda text: text in ("", "find", "commitment"), "find, commitment, or empty"
        ),
        "bandwidth": rules.whole(0, _TIB),
        "transcode": rules.FLAG,
        "transfer_syntaxes": rules.texts(
            is_sent_in, "a list of uncompressed or lossless transfer syntaxes, by UID or keyword"
        ),
        "lossy_ratio": rules.whole(0, 1000),
        "lossy_error": rules.whole(0, 255),
        "hours": rules.texts(is_hours, 'a list of times, such as "Mon-Fri 19:00-07:00"'),
        **dict.fromkeys(("url", "oauth_url"), _URL),
        "user": rules.text_that(
            lambda text: text.isprintable() and ":" not in text, "a name without a colon"
        ),
        **dict.fromkeys(("oauth_client", "oauth_scope"), _LINE),
    },
}
ROUTES: Location = ("forward", "routes")
"""The place of `[[routes]]`, which is written without `forward`."""
LISTED: dict[Location, type] = {
    ("policy", "rules"): policy_settings.PolicyRule,
    ROUTES: settings.ForwardRoute,
    ("coerce", "rules"): settings.CoerceRule,
}
"""Lists of tables."""
NAMED: dict[str, type] = {"workers": settings.WorkerTable, "destinations": settings.Destination}
"""Tables of tables, whose names the user chooses."""


def _model(kind: type) -> type[BaseModel]:
    """Return the model of a settings class, without defaults: those are in the class itself."""
    members: dict[str, Any] = {
        name: (
            rule.kind,
            ... if kind is settings.Destination and name in ("host", "port") else None,
        )
        for name, rule in RULES[kind].items()
    }
    return make_model(kind.__name__, __config__=ConfigDict(extra="forbid"), **members)


RULES[policy_settings.PolicySettings]["rules"] = rules.Rule(
    list[_model(policy_settings.PolicyRule)],  # type: ignore[misc]
    "a list of tables, each [[policy.rules]]",
)
RULES[settings.CoerceSettings]["rules"] = rules.Rule(
    list[_model(settings.CoerceRule)],  # type: ignore[misc]
    "a list of tables, each [[coerce.rules]]",
)
RULES[settings.ForwardSettings]["routes"] = rules.Rule(
    list[_model(settings.ForwardRoute)],  # type: ignore[misc]
    "a list of tables, each [[routes]]",
)
TABLES: dict[str, type] = {
    name: kind for name, kind in get_type_hints(settings.Settings).items() if kind in RULES
}
_Name = Annotated[str, AfterValidator(rules.must(lambda text: bool(WORKER_NAME.fullmatch(text))))]
_Title = Annotated[str, AfterValidator(rules.must(lambda text: rules.is_ae_title(text)))]
_Place: Any = Annotated[_model(settings.Destination), BeforeValidator(_host_and_port)]
MODEL: type[BaseModel] = make_model(
    "Settings",
    __config__=ConfigDict(extra="forbid"),
    workers=(dict[_Name, _model(settings.WorkerTable)], None),  # type: ignore[misc]
    destinations=(dict[_Title, _Place], None),
    **{name: (_model(kind), None) for name, kind in TABLES.items()},  # type: ignore[call-overload]
)


def locations() -> list[Location]:
    """Return every setting of the tables whose names are fixed."""
    return [(table, name) for table, kind in TABLES.items() for name in RULES[kind]]

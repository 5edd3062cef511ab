"""A JSON Schema of gateway.toml, with which editors complete and check it.

Types and limits are those of `gateway.config.tables`, defaults those of the settings, and the
descriptions the texts under their fields, so that nothing is stated twice.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from pydantic import TypeAdapter

from gateway.config.tables import LISTED, NAMED, ROUTES, RULES, TABLES
from gateway.field_texts import field_texts

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LIMITS = {"ge": "minimum", "le": "maximum"}


def json_schema() -> dict[str, Any]:
    """Return the schema of a whole configuration."""
    tables = {name: _table(kind, (name,)) for name, kind in TABLES.items()}
    for name, kind in NAMED.items():
        entry = _table(kind, (name,))
        if name == "destinations":
            place = {"type": "string", "description": "HOST:PORT, or a URL"}
            either = [{"required": ["host", "port"]}, {"required": ["url"]}]
            entry = {"anyOf": [place, {**entry, "anyOf": either}]}
        tables[name] = {"type": "object", "additionalProperties": entry}
    table, key = ROUTES
    tables[key] = tables[table]["properties"][key]
    return {
        "$schema": DIALECT,
        "title": "gateway.toml",
        "type": "object",
        "properties": tables,
        "additionalProperties": False,
    }


def _table(kind: type, place: tuple[str, ...]) -> dict[str, Any]:
    texts, defaults = field_texts(kind), _defaults(kind)
    properties: dict[str, Any] = {}
    for name, rule in RULES[kind].items():
        if (listed := LISTED.get((*place, name))) is not None:
            schema: dict[str, Any] = {"type": "array", "items": _table(listed, (*place, name))}
        else:
            schema = _of_rule(rule.kind)
        if rule.choices:
            schema["enum"] = list(rule.choices)
        text = texts.get(name, "")
        schema["description"] = f"{text} It must be {rule.words}.".strip()
        if name in defaults:
            schema["default"] = defaults[name]
        properties[name] = schema
    required = sorted(set(RULES[kind]) - set(defaults))
    table: dict[str, Any] = {
        "type": "object",
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "properties": properties,
        "additionalProperties": False,
    }
    return table | ({"required": required} if required else {})


def _of_rule(kind: Any) -> dict[str, Any]:
    """Return the schema of a value, without what is only pydantic's."""
    return _plain(TypeAdapter(kind).json_schema())


def _plain(made: dict[str, Any]) -> dict[str, Any]:
    kept = ("type", "items", "minimum", "maximum", "const")
    schema: dict[str, Any] = {key: value for key, value in made.items() if key in kept}
    schema |= {ours: made[theirs] for theirs, ours in _LIMITS.items() if theirs in made}
    if "anyOf" in made:
        schema["anyOf"] = [_plain(one) for one in made["anyOf"]]
    if isinstance(items := schema.get("items"), dict):
        schema["items"] = {"type": items.get("type", "string")}
    return schema


def _defaults(kind: type) -> dict[str, Any]:
    assert is_dataclass(kind)
    found = {}
    for field in fields(kind):
        if field.default is not MISSING:
            found[field.name] = field.default
        elif field.default_factory is not MISSING:
            found[field.name] = field.default_factory()
    return {name: _as_json(value) for name, value in found.items()}


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value

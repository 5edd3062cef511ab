"""Write settings as TOML."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from gateway.settings import to_map

if TYPE_CHECKING:
    from gateway.settings import Settings


def to_toml(settings: Settings) -> str:
    """Return the settings as the text of a file that `load` reads."""
    tables = to_map(settings)
    workers = tables.pop("workers")
    tables |= {f"workers.{_toml_key(name)}": table for name, table in workers.items()}
    return "\n".join(
        "\n".join([f"[{name}]", *(f"{_toml_key(k)} = {toml_value(v)}" for k, v in table.items())])
        + "\n"
        for name, table in tables.items()
    )


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_value(key)


def toml_value(value: Any) -> str:
    if isinstance(value, str):  # a JSON string is a TOML string, except for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)  # numbers, dates and times

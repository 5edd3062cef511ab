"""The text for an invalid setting: its source, path and value, and what it must be."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from gateway import log
from gateway.config.rules import AE_TITLE, is_ae_title
from gateway.config.tables import (
    LISTED,
    NAMED,
    PREFIX,
    ROUTES,
    RULES,
    TABLES,
    WORKER_NAME,
    locations,
)
from gateway.config.toml_lines import line_of
from gateway.config.toml_text import toml_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError

    from gateway.config.tables import Location


def explain(error: ValidationError, sources: Mapping[Location, str], text_of_file: str) -> str:
    """Return the text for the first of the errors.

    `sources` names the source of each setting; one that is no variable or option is in the file.
    """
    first, *others = error.errors(include_url=False)
    location = tuple(str(part) for part in first["loc"] if part != "[key]")
    named = [part for part in location if not part.isdecimal() or location[0] in NAMED]
    place = tuple(named)
    path = log.escape(".".join(_with_number(location, place)))
    if first["type"] == "missing":
        text = f"{path} is missing: it must be {_rule(place)}"
    elif first["type"] == "extra_forbidden":
        text = f"{path} = {_shown(first['input'])}: there is no such setting{_hint(place)}"
    else:
        text = f"{path} = {_shown(first['input'])}: it must be {_rule(place)}"
    source = next((s for at, s in sources.items() if _is_about(at, place)), None)
    if source and not source.startswith((PREFIX, "--")):
        written = location[1:] if location[:2] == ROUTES else location
        line = line_of(text_of_file, written)
        source = f"{source}:{line}" if line else source
    more = f" (and {len(others)} more)" if others else ""
    return f"{source}: {text}{more}" if source else f"{text}{more}"


def _with_number(location: Location, place: Location) -> Location:
    """Return the place, with the number of the table in a list of them, from 1."""
    if location[:2] in LISTED and len(location) > 2:
        numbered = (place[0], f"{place[1]}[{int(location[2]) + 1}]", *place[2:])
        return numbered[1:] if location[:2] == ROUTES else numbered
    return place


def _is_about(at: Location, place: Location) -> bool:
    shorter = min(len(at), len(place))
    return at[:shorter] == place[:shorter]


def _shown(value: Any) -> str:
    text = log.escape(toml_value(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _rule(place: Location) -> str:
    """Return what a setting, or the name of a table, must be."""
    if place[0] in NAMED:
        if len(place) == 2 and place[0] == "workers" and not WORKER_NAME.fullmatch(place[1]):
            return "named with letters, digits, dots, dashes and underscores, 64 at most"
        if len(place) == 2 and place[0] == "destinations":
            named = f'"HOST:PORT", a URL or a table, named with an AE title ({AE_TITLE})'
            return named if not is_ae_title(place[1]) else '"HOST:PORT", a URL or a table'
        rules = RULES[NAMED[place[0]]]
        return rules[place[2]].words if len(place) > 2 else "a table"
    if len(place) > 2 and place[:2] in LISTED:
        return RULES[LISTED[place[:2]]][place[2]].words
    return RULES[TABLES[place[0]]][place[1]].words if len(place) > 1 else "a table"


def _hint(place: Location) -> str:
    """Return a suggestion for an unknown name: a similar one, or the same in another table."""
    if len(place) == 1:
        neighbours = [*TABLES, *NAMED]
    else:
        listed = LISTED.get(place[:2]) if len(place) > 2 else None
        neighbours = list(RULES[listed or NAMED.get(place[0]) or TABLES[place[0]]])
    if near := difflib.get_close_matches(place[-1], neighbours, 1, 0.6):
        shown = place[1:] if place[:2] == ROUTES else place
        return f"; did you mean {'.'.join((*shown[:-1], near[0]))}?"
    for table, name in locations():
        if name == place[-1]:
            return f"; did you mean {table}.{name}?"
    return f"; known: {', '.join(neighbours)}"


def unknown_variable(variable: str, text: str) -> str:
    """Return the text for an environment variable that does not name a setting."""
    given = variable.removeprefix(PREFIX)
    known = [f"{table}__{name}".upper() for table, name in locations()]
    near = [name for name in known if name.split("__")[1] == given.split("__")[-1]]
    near += difflib.get_close_matches(given, known, 1, 0.6)
    hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
    return f"environment variable {log.escape(variable)} = {_shown(text)}: no such setting{hint}"

"""The line of a TOML file in which a setting stands, for errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config.tables import Location

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(
    r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)")


def line_of(text: str, location: Location) -> int | None:
    """Return the number of the line that a setting begins in, or else that of its table.

    In `location` a table of a list is named by its number, from 0, as ("policy", "rules", "0").
    A table without a header of its own begins with its first part. None if nothing is found.
    """
    best: tuple[int, int] | None = None
    for number, place in _places(text):
        depth = min(len(place), len(location))
        shared = depth if place[:depth] == location[:depth] else 0
        if shared and (best is None or shared > best[0]):
            best = shared, number
    return best[1] if best is not None else None


def _places(text: str) -> list[tuple[int, Location]]:
    """Return where each table and each key of the file stands."""
    places: list[tuple[int, Location]] = []
    table: Location = ()
    counts: dict[Location, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
            places.append((number, table))
        elif key := _KEY.match(line):
            places.append((number, (*table, *_parts(key[1]))))
    return places


def _parts(dotted: str) -> Location:
    return tuple(next(filter(None, found), "") for found in _PART.findall(dotted))

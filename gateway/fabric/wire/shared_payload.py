"""The payload of a request whose common part is sent once for many requests.

The part that is the same, and the request's own, are two maps. What one of them has under a key
belongs to the payload; if both have a map there, as `claim`, its keys are those of both maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Maps: TypeAlias = Iterable[tuple[str, dict[str, Any]]]


def maps_in(shared: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the maps in a common part, with their keys."""
    return [(key, value) for key, value in shared.items() if type(value) is dict]


def with_whole_maps(own: dict[str, Any], maps: Maps) -> dict[str, Any]:
    """Return a request's own part with the keys that its maps have in the common part as well."""
    found = {k: {**common, **own[k]} for k, common in maps if type(own.get(k)) is dict}
    return {**own, **found} if found else own


def whole_payload(
    shared: Mapping[str, Any], own: dict[str, Any], maps: Maps | None = None
) -> dict[str, Any]:
    """Return the payload; `maps`: `maps_in(shared)`, if they are known."""
    whole = {**shared, **own}
    for key, common in maps_in(shared) if maps is None else maps:
        if type(more := own.get(key)) is dict:
            whole[key] = {**common, **more}
    return whole

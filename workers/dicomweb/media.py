"""Which representation a client accepts (PS3.18 8.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from workers.dicomweb.guard import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from starlette.requests import Request

DICOM, JSON, XML = "application/dicom", "application/dicom+json", "application/dicom+xml"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/related"
ANY = "*/*"
_PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,\s]*)')
_MEMBER = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])+')
_RANGE = re.compile(
    r"\s*([\w*.+-]+/[\w*.+-]+)((?:\s*;\s*[\w-]+\s*=\s*(?:\"(?:[^\"\\]|\\.)*\"|[^;,]*))*)"
)


@dataclass(frozen=True, slots=True)
class MediaType:
    """One of the media types that a client accepts."""

    name: str
    """The type itself, or the type of the parts of a multipart body."""
    is_multipart: bool = False
    parameters: dict[str, str] = field(default_factory=dict, hash=False)
    quality: float = 1.0

    @property
    def transfer_syntax(self) -> str:
        """The transfer syntax that is asked for; empty: none is."""
        return self.parameters.get("transfer-syntax", "")

    def covers(self, name: str) -> bool:
        """Return whether it accepts a media type."""
        kind, _, sub = self.name.partition("/")
        return self.name in (ANY, name) or (sub == "*" and name.startswith(f"{kind}/"))


@lru_cache(256)
def parse(text: str) -> MediaType:
    """Return a media type with its parameters; raises HttpError 400 if it is none."""
    found = next(_types(text), None)
    if found is None:
        raise HttpError(400, f"{text[:80]!r} is not a media type")
    return found


def _types(text: str) -> Iterator[MediaType]:
    """Yield the members of a list of media types; what is not one is passed over."""
    for member in _MEMBER.findall(text):
        found = _RANGE.match(member)
        if found is None:
            continue
        name = found[1].lower()
        parameters = {
            key.lower(): value[1:-1] if value.startswith('"') else value.strip()
            for key, value in _PARAMETER.findall(found[2])
        }
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        is_multipart = name == MULTIPART
        if is_multipart:
            name = parameters.get("type", ANY).lower()
        yield MediaType(name, is_multipart, parameters, quality)


def accepted(request: Request) -> list[MediaType]:
    """Return what a client accepts, what it prefers first: `accept` in the query, or the header."""
    return [one for one in _preferred(_asked(request)) if one.quality > 0]


def _asked(request: Request) -> str:
    text = request.query_params.get("accept") or ", ".join(request.headers.getlist("accept"))
    return re.sub(r"(?<=/dicom) (?=json|xml)", "+", text)  # many leave the + of a query as it is


@lru_cache(256)
def _preferred(text: str) -> tuple[MediaType, ...]:
    found = list(_types(text)) if text.strip() else [MediaType(ANY)]
    return tuple(sorted(found, key=lambda one: -one.quality))


def choose(request: Request, offered: Sequence[str]) -> MediaType:
    """Return what of the offered media types a client likes best; raises HttpError 406.

    The first one is the default. `*/*` and ranges become the first type that they cover, except one
    that the client gives another quality by its name (RFC 9110 12.5.1).
    """
    wanted = _preferred(_asked(request))
    named = {one.name: one.quality for one in reversed(wanted)}
    for one in wanted:
        for name in offered:
            is_better_named = name != one.name and named.get(name, one.quality) < one.quality
            if one.quality > 0 and one.covers(name) and not is_better_named:
                return MediaType(name, one.is_multipart, one.parameters, one.quality)
    raise not_acceptable(offered)


def not_acceptable(offered: Iterable[str]) -> HttpError:
    return HttpError(406, f"this resource is available as {', '.join(offered)}")

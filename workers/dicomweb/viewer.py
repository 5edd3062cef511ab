"""A page with the thumbnails of a study, for who looks at the archive in a browser."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from workers.archive.attributes import Level
from workers.dicomweb.guard import HttpError
from workers.dicomweb.qido import Search

if TYPE_CHECKING:
    from workers.archive.index import Index
    from workers.dicomweb.json_model import Json

MOST = 500
"""Pictures of one series."""
STYLE = (Path(__file__).parent / "static" / "viewer.css").read_text("utf-8")
POLICY = "default-src 'none'; img-src 'self'; style-src 'self'; frame-ancestors 'none'"


def page(index: Index, base: str, root: str, study: str) -> str:
    """Return the page of a study; raises HttpError 404 if it is not in the archive."""
    path = {"study": study}
    matches = Search(Level.STUDY, path, ()).run(index, base, "").matches
    if not matches:
        raise HttpError(404, "there is no study with this UID")
    found = matches[0]
    name, patient, date, text = (
        _text(found, tag) for tag in ("00100010", "00100020", "00080020", "00081030")
    )
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<title>{name}</title><link rel="stylesheet" href="{root}/viewer.css"></head><body>',
        f"<h1>{name or 'No name'}</h1>",
        f'<p class="quiet">{patient} &middot; {date} &middot; {text}</p>',
        f'<p class="quiet">{escape(study)}</p><main>',
    ]
    for series in Search(Level.SERIES, path, ()).run(index, base, "").matches:
        parts += _series(index, base, path, series)
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def _series(index: Index, base: str, path: dict[str, str], series: Json) -> list[str]:
    number, modality, text = (_text(series, tag) for tag in ("00200011", "00080060", "0008103E"))
    uid = str(series["0020000E"]["Value"][0])
    asked = (("limit", str(MOST)),)
    images = Search(Level.IMAGE, {**path, "series": uid}, asked).run(index, base, "").matches
    count = int((series.get("00201209", {}).get("Value") or [len(images)])[0])
    more = f", the first {MOST}" if count > MOST else ""
    title = " ".join(part for part in (f"Series {number}".strip(), modality, text) if part)
    return [f"<h2>{title} ({count}{more})</h2><ul>", *map(_image, images), "</ul>"]


def _image(image: Json) -> str:
    address = escape(str(image["00081190"]["Value"][0]), quote=True)
    number = _text(image, "00200013") or "-"
    picture = f'<img loading="lazy" src="{address}/thumbnail" alt="no picture">'
    return f'<li><a href="{address}/rendered">{picture}{number}</a></li>'


def _text(model: Json, tag: str) -> str:
    """Return the first value of an attribute, to stand in HTML."""
    value = (model.get(tag, {}).get("Value") or [""])[0]
    if isinstance(value, dict):
        value = value.get("Alphabetic") or next(iter(value.values()), "")
    return escape(str(value), quote=True)

"""Templates from files: the data set of each file, with placeholders for new UIDs.

Only the top-level elements up to the Series Instance UID are parsed, because the UIDs to replace
are among them. A data set that cannot be parsed is sent unchanged, each time as the same instance.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway import uid
from gateway.datasets import NotDicom
from gateway.datasets.instances import Instance, identify, walk
from gateway.errors import ConfigError
from gateway.load.instance_identity import PLACEHOLDER, Field
from gateway.load.template import Template
from gateway.part10.elements import BIG, LITTLE

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 2 << 30
"""Bytes of all files together: each process holds them in memory."""

_PLACES = {
    0x00080018: Field.INSTANCE_UID,
    0x0020000D: Field.STUDY_UID,
    0x0020000E: Field.SERIES_UID,
}
_UNDEFINED = 0xFFFFFFFF
_ITEM_END, _SEQUENCE_END = 0xFFFEE00D, 0xFFFEE0DD


class _Unparsable(Exception):  # noqa: N818 - a state, not only an error
    """The UIDs of the data set cannot be found; the text says why."""


class _ElementSpan(NamedTuple):
    """The positions at which an element and its value begin and end in a data set."""

    tag: int
    start: int
    value: int
    end: int


def load(paths: tuple[str, ...], root: str, *, keep_uids: bool) -> tuple[list[Template], list[str]]:
    """Read the files; return templates, and remarks on files that are not sent as they should be.

    Raises ConfigError if there is nothing to send or too much.
    """
    templates: list[Template] = []
    notes: list[str] = []
    groups: dict[str, tuple[int, dict[str, int]]] = {}
    total = 0
    for path in walk(Path(one) for one in paths):
        try:
            instance = identify(path)
        except NotDicom as error:
            notes.append(f"not sent: {path}: {error}")
            continue
        total += instance.size
        if total > LARGEST:
            raise ConfigError(f"--files: more than {LARGEST >> 30} GiB in total: give fewer files")
        template, note = _template(path, instance, root, keep_uids, groups)
        templates.append(template)
        notes += [f"{path}: {note}"] if note else []
    if not templates:
        first = f" ({notes[0]})" if notes else ""
        raise ConfigError(f"--files: nothing that can be sent was found{first}")
    return templates, notes


def _template(
    path: Path,
    instance: Instance,
    root: str,
    keep_uids: bool,
    groups: dict[str, tuple[int, dict[str, int]]],
) -> tuple[Template, str]:
    data = path.read_bytes()[instance.offset :] + (b"\0" if instance.is_padded else b"")
    unchanged = Template(
        path.name,
        instance.sop_class_uid,
        instance.transfer_syntax_uid,
        data,
        0,
        own_uid=instance.sop_instance_uid,
    )
    if keep_uids:
        return unchanged, ""
    try:
        places = _locate(data, instance.transfer_syntax_uid)
        patched, head = _patched(data, places, instance.transfer_syntax_uid, root)
    except _Unparsable as error:
        return unchanged, f"sent unchanged, always as the same instance: {error}"
    uids = {place.tag: data[place.value : place.end] for place in places}
    study, series = (uids.get(tag, b"").decode("latin-1") for tag in (0x0020000D, 0x0020000E))
    index, members = groups.setdefault(study, (len(groups), {}))
    member = members.setdefault(series, sum(len(one[1]) for one in groups.values()))
    return replace(unchanged, data=patched, head=head, own_uid="", group=(index, member)), ""


def _locate(data: bytes, syntax: str) -> list[_ElementSpan]:
    if syntax == uid.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        raise _Unparsable("it is deflated")
    found = [element for element in _top_level(data, syntax) if element.tag in _PLACES]
    if not found or found[0].tag != 0x00080018:
        raise _Unparsable("it does not begin with its SOP Instance UID")
    return found


def _top_level(data: bytes, syntax: str) -> Iterator[_ElementSpan]:
    """Yield the elements up to the Series Instance UID that are not in a sequence."""
    layout = BIG if syntax == uid.EXPLICIT_VR_BIG_ENDIAN else LITTLE
    explicit = syntax != uid.IMPLICIT_VR_LITTLE_ENDIAN
    at = depth = 0
    while at < len(data):
        header = layout.header(data, at, explicit=explicit)
        if header is None:
            raise _Unparsable("an element extends beyond its end")
        tag, vr, length, size = header
        value = at + size
        if depth == 0 and tag > 0x0020000E:
            return
        if depth == 0 and tag & 0xFFFF == 0:
            raise _Unparsable("it has group lengths")
        if vr == b"UN" and length == _UNDEFINED:
            raise _Unparsable("it has an unknown element of undefined length")
        start, at = at, value + (0 if length == _UNDEFINED else length)
        if depth == 0:
            yield _ElementSpan(tag, start, value, at)
        depth += (length == _UNDEFINED) - (tag in (_ITEM_END, _SEQUENCE_END))


def _patched(data: bytes, places: list[_ElementSpan], syntax: str, root: str) -> tuple[bytes, int]:
    """Return the data set with placeholders, and the length of the part that has them."""
    order = ">" if syntax == uid.EXPLICIT_VR_BIG_ENDIAN else "<"
    values = PLACEHOLDER.values(root)
    parts: list[bytes] = []
    begin = 0
    for place in places:
        value = values[_PLACES[place.tag]]
        vr = data[place.start + 4 : place.start + 6]
        if syntax != uid.IMPLICIT_VR_LITTLE_ENDIAN and vr == b"UI":
            header = data[place.start : place.start + 6] + struct.pack(f"{order}H", len(value))
        else:
            header = data[place.start : place.start + 4] + struct.pack(f"{order}L", len(value))
        parts += [data[begin : place.start], header, value]
        begin = place.end
    head = sum(map(len, parts))
    return b"".join((*parts, data[begin:])), head

"""Long values: given out from where they are in a file, without being read as a whole."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement

from gateway.sdk import Unavailable
from gateway.uid import EXPLICIT_VR_BIG_ENDIAN
from workers.dicomweb.guard import HttpError
from workers.dicomweb.parts import once

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from workers.dicomweb.readable_instance import ReadableInstance

_UNDEFINED = 0xFFFFFFFF
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)
_PATH = re.compile(r"[0-9A-Fa-f]{8}(?:/0*[1-9][0-9]{0,8}/[0-9A-Fa-f]{8})*")
_UNITS = {"OW": "H", "OF": "I", "OL": "I", "OD": "Q", "OV": "Q"}
"""How long the numbers of a value are, by VR."""


@dataclass(frozen=True, slots=True)
class BulkValue:
    """A value: in memory, or part of a file."""

    size: int
    data: bytes | None = None
    instance: ReadableInstance | None = None
    offset: int = 0
    """In the file."""

    def between(self, first: int, last: int) -> AsyncIterable[bytes]:
        """Return the bytes from the first to the last one."""
        if self.data is not None:
            return once(self.data[first : last + 1])
        assert self.instance is not None
        return self.instance.part(self.offset + first, last + 1 - first)

    def whole(self) -> AsyncIterable[bytes]:
        """Return all of it."""
        return self.between(0, self.size - 1)


def find(instance: ReadableInstance, data_set: Any, path: str) -> BulkValue:
    """Return the value of an element by its path: TAG, or TAG/ITEM/TAG; raises HttpError 404.

    Numbers are in little endian.
    """
    path = path.strip("/")
    parts = path.split("/") if _PATH.fullmatch(path) else ["none"]
    is_big = instance.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
    try:
        if len(parts) == 1 and not is_big:
            raw = data_set.get_item(int(parts[0], 16), keep_deferred=True)
            is_long = isinstance(raw, RawDataElement) and raw.value is None
            if is_long and raw.length != _UNDEFINED:
                return BulkValue(raw.length, instance=instance, offset=raw.value_tell)
        found: Any = data_set
        for number, part in enumerate(parts):
            found = found[int(part, 16)] if number % 2 == 0 else found.value[int(part) - 1]
        value, vr = found.value, str(found.VR)
    except Unavailable as error:
        raise HttpError(503, str(error)) from None
    except OSError:  # the file, which is another failure
        raise
    except Exception:  # what is not there, or does not convert
        raise HttpError(404, f"there is no bulk data {path[:80]!r}") from None
    if not isinstance(value, (bytes, bytearray)):
        name = keyword_for_tag(int(parts[-1], 16)) or parts[-1]
        raise HttpError(404, f"{name} is not bulk data: its value is in the metadata")
    data = _swapped(bytes(value), vr) if is_big else bytes(value)
    return BulkValue(len(data), data)


def _swapped(value: bytes, vr: str) -> bytes:
    unit = _UNITS.get("OW" if " or " in vr else vr)
    if unit is None or len(value) % array(unit).itemsize:
        return value
    numbers = array(unit, value)
    numbers.byteswap()
    return numbers.tobytes()


def range_of(text: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that are asked for; raises HttpError 416.

    None: all of them. A range that is not valid, in other units or one of several is ignored, which
    RFC 9110 14.2 demands or allows.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
        if found[2] and int(found[2]) < first:
            return None
    if first > last:
        raise HttpError(416, f"the value has {size} bytes", {"Content-Range": f"bytes */{size}"})
    return first, last

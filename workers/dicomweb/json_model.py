"""Data sets in the DICOM JSON model (PS3.18 annex F) and the Native DICOM model (PS3.19 A.1).

Values beyond a size are not in the result, but the address at which they can be had. Text that
pydicom does not convert is given as it is; what should be a number and is none is left out.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree as ET

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.valuerep import VR

from gateway.sdk import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom.dataset import Dataset

INLINE = 1024
"""Bytes of a binary value up to which it is in the result itself."""
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})

_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})

Json = dict[str, Any]


def to_json(data_set: Dataset, address: Callable[[str], str]) -> Json:
    """Return a data set; `address` returns the address of bulk data by its path of tags."""
    return _to_json(data_set, address, "")


def _to_json(data_set: Dataset, address: Callable[[str], str], above: str) -> Json:
    found: Json = {}
    for tag in sorted(data_set.keys()):
        if tag.element == 0 or tag.group in (0x0000, 0x0002):
            continue
        name = f"{tag:08X}"
        raw = data_set.get_item(tag, keep_deferred=True)
        is_long = isinstance(raw, RawDataElement) and raw.value is None and bool(raw.length)
        if is_long and (vr := _vr_of(raw.tag, raw.VR)) != "SQ":
            found[name] = {"vr": vr, "BulkDataURI": address(above + name)}
            continue
        found[name] = _element(data_set, tag, address, above + name)
    return found


def _vr_of(tag: int, vr: str | None) -> str:
    """Return the VR of an element, that of the dictionary in implicit VR."""
    if vr:
        return vr
    try:
        found = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return "OW" if " or " in found else found


def _element(data_set: Dataset, tag: Any, address: Callable[[str], str], path: str) -> Json:
    try:
        element = data_set[tag]
    except Unavailable:
        raise
    except Exception:  # whatever pydicom raises for a value that it does not convert
        return {"vr": "UN"}
    if element.VR == VR.SQ:
        items = [
            _to_json(item, address, f"{path}/{number}/")
            for number, item in enumerate(element.value, 1)
        ]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    if str(element.VR) in _BINARY or " or " in str(element.VR):
        return _binary(element, address, path)
    try:
        return cast("Json", element.to_json_dict(None, 0))
    except Exception:  # the same
        return _as_text(element)


def _binary(element: DataElement, address: Callable[[str], str], path: str) -> Json:
    vr = "OW" if " or " in str(element.VR) else str(element.VR)
    value = element.value
    if not isinstance(value, (bytes, bytearray)) or not value:
        return {"vr": vr}
    if len(value) > INLINE:
        return {"vr": vr, "BulkDataURI": address(path)}
    return {"vr": vr, "InlineBinary": base64.b64encode(value).decode()}


def _as_text(element: DataElement) -> Json:
    """Return values that do not convert as text; those that have to be numbers are left out."""
    if element.VR in _NUMBERS:
        return {"vr": str(element.VR)}
    values = element.value if element.VM > 1 else [element.value]
    return {"vr": str(element.VR), "Value": [str(one) for one in values]}


def to_xml(model: Json) -> bytes:
    """Return the Native DICOM model of a data set in the JSON model."""
    root = ET.Element("NativeDicomModel", {"xml:space": "preserve"})
    _fill(root, model)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _fill(parent: ET.Element, model: Json) -> None:
    for tag, element in model.items():
        attributes = {"tag": tag, "vr": element["vr"]}
        if keyword := keyword_for_tag(int(tag, 16)):
            attributes["keyword"] = keyword
        into = ET.SubElement(parent, "DicomAttribute", attributes)
        if "BulkDataURI" in element:
            ET.SubElement(into, "BulkData", {"uri": element["BulkDataURI"]})
        elif "InlineBinary" in element:
            ET.SubElement(into, "InlineBinary").text = element["InlineBinary"]
        for number, value in enumerate(element.get("Value", ()), 1):
            _value(into, element["vr"], str(number), value)


def _value(into: ET.Element, vr: str, number: str, value: Any) -> None:
    if vr == "SQ":
        _fill(ET.SubElement(into, "Item", {"number": number}), value)
    elif vr == "PN" and isinstance(value, dict):
        name = ET.SubElement(into, "PersonName", {"number": number})
        for group, text in value.items():
            inner = ET.SubElement(name, group)
            parts = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
            for part, content in zip(parts, str(text).split("^"), strict=False):
                if content:
                    ET.SubElement(inner, part).text = _printable(content)
    else:
        ET.SubElement(into, "Value", {"number": number}).text = _printable(str(value))


def _printable(text: str) -> str:
    """Return text without the characters that XML has no way to write (XML 1.0, 2.2)."""
    return _NOT_IN_XML.sub("�", text)

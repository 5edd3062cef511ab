"""The schema of audit messages (PS3.15 A.5.1) as tables, and a check of a message by them."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, fromstring

if TYPE_CHECKING:
    from collections.abc import Callable

CODE = {"csd-code!": r".+", "codeSystemName!": r".+", "originalText!": r".+"}
UID = r"[0-2](\.(0|[1-9][0-9]*))*"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

ATTRIBUTES: dict[str, dict[str, str]] = {
    "AuditMessage": {},
    "EventIdentification": {
        "EventActionCode!": "[CRUDE]",
        "EventDateTime!": TIME,
        "EventOutcomeIndicator!": "0|4|8|12",
    },
    "EventID": CODE,
    "EventTypeCode": CODE,
    "EventOutcomeDescription": {},
    "ActiveParticipant": {
        "UserID!": ".+",
        "AlternativeUserID": ".+",
        "UserName": ".*",
        "UserIsRequestor!": "true|false",
        "NetworkAccessPointID": ".+",
        "NetworkAccessPointTypeCode": "[1-5]",
    },
    "RoleIDCode": CODE,
    "MediaIdentifier": {},
    "MediaType": CODE,
    "AuditSourceIdentification": {"AuditEnterpriseSiteID": ".+", "AuditSourceID!": ".+"},
    "AuditSourceTypeCode": CODE,
    "ParticipantObjectIdentification": {
        "ParticipantObjectID!": ".+",
        "ParticipantObjectTypeCode!": "[1-4]",
        "ParticipantObjectTypeCodeRole!": "[1-9]|1[0-9]|2[0-4]",
    },
    "ParticipantObjectIDTypeCode": CODE,
    "ParticipantObjectName": {},
    "ParticipantObjectQuery": {},
    "ParticipantObjectDetail": {"type!": ".+", "value!": "[A-Za-z0-9+/=]*"},
    "SOPClass": {"UID!": UID, "NumberOfInstances!": r"\d+"},
}
"""The attributes of each element with what they look like; `!` marks those that must be there."""
CHILDREN = {
    "AuditMessage": (
        "EventIdentification (ActiveParticipant )+AuditSourceIdentification "
        "(ParticipantObjectIdentification )*"
    ),
    "EventIdentification": "EventID (EventTypeCode )*(EventOutcomeDescription )?",
    "ActiveParticipant": "(RoleIDCode )*(MediaIdentifier )?",
    "MediaIdentifier": "MediaType ",
    "AuditSourceIdentification": "(AuditSourceTypeCode )*",
    "ParticipantObjectIdentification": (
        "ParticipantObjectIDTypeCode (ParticipantObjectName |ParticipantObjectQuery )"
        "(ParticipantObjectDetail )*(SOPClass )*"
    ),
}
"""The children of each element in their order; the others have none."""


def validated(xml: str) -> Element:
    """Return the element of a message; fail if it is not by the schema."""
    assert "\n" not in xml
    root = fromstring(xml)
    assert root.tag == "AuditMessage"
    _check(root)
    return root


def _check(element: Element) -> None:
    children = "".join(f"{child.tag} " for child in element)
    assert re.fullmatch(CHILDREN.get(element.tag, ""), children), (element.tag, children)
    rules = {name.rstrip("!"): (name[-1] == "!", form) for name, form in _rules(element)}
    assert element.attrib.keys() <= rules.keys(), (element.tag, element.keys())
    for name, (is_required, form) in rules.items():
        value = element.get(name)
        assert value is not None or not is_required, (element.tag, name)
        assert value is None or re.fullmatch(form, value), (element.tag, name, value)
    if "NetworkAccessPointID" in element.attrib:
        assert "NetworkAccessPointTypeCode" in element.attrib
    if element.tag == "ParticipantObjectQuery":
        base64.b64decode(element.text or "", validate=True)
    for child in element:
        _check(child)


def _rules(element: Element) -> list[tuple[str, str]]:
    return list(ATTRIBUTES[element.tag].items())


def code(element: Element | None) -> tuple[str, str]:
    """Return value and system of a coded value."""
    assert element is not None
    return element.attrib["csd-code"], element.attrib["codeSystemName"]


def event(root: Element) -> tuple[str, str, str]:
    """Return the meaning of the event, its action and its outcome."""
    identification = root.find("EventIdentification")
    assert identification is not None
    values = identification.attrib
    what = identification.find("EventID")
    assert what is not None
    return what.attrib["originalText"], values["EventActionCode"], values["EventOutcomeIndicator"]


def types(root: Element) -> list[str]:
    """Return the meanings of the event's types."""
    return [one.attrib["originalText"] for one in root.iter("EventTypeCode")]


def participant(root: Element, is_wanted: Callable[[Element], bool]) -> Element:
    """Return the only participant for which the function is true."""
    (found,) = (one for one in root.iter("ActiveParticipant") if is_wanted(one))
    return found


def with_role(root: Element, meaning: str) -> Element:
    """Return the participant with a role."""

    def has(one: Element) -> bool:
        role = one.find("RoleIDCode")
        return role is not None and role.attrib["originalText"] == meaning

    return participant(root, has)


def objects(root: Element) -> dict[str, list[str]]:
    """Return the IDs of the objects by the meaning of their type."""
    found: dict[str, list[str]] = {}
    for one in root.iter("ParticipantObjectIdentification"):
        kind = one.find("ParticipantObjectIDTypeCode")
        assert kind is not None
        found.setdefault(kind.attrib["originalText"], []).append(one.attrib["ParticipantObjectID"])
    return found

"""A notification as a line for people, or as an object for programs; never with a secret in it."""

from __future__ import annotations

import base64
import re
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.dimse.message import decode_message
from gateway.errors import GatewayError
from gateway.fabric.wire.frames import unpack
from gateway.requestor.errors import printable
from gateway.uid import name_of
from gateway.ul.pdu import pdu_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.fabric import Notification

_PDUS = ("data", "pdu")
"""Where a body has a PDU."""

# Association PDUs (PS3.8 9.3.2, 9.3.3)
_ASSOCIATE = (0x01, 0x02)
_VARIABLE = 74
_ITEM = struct.Struct(">BxH")
_USER_INFORMATION = 0x50
_IDENTITY = 0x58
_IDENTITY_REPLY = 0x59
_NAMED = (1, 2)
"""User identity types whose primary field is a name, not a secret (PS3.7 D.3.3.7.1)."""
_NAME_AT = 4
"""Where the primary field begins."""
_MASK = b"*"

_HYPHENS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=^[CN])(?=[A-Z])")
"""Between the words of a message's name: C-ECHO-RQ."""


def line(told: Notification) -> str:
    """One line: when, what, of which association, and what there is to say of it."""
    when = datetime.fromtimestamp(told.timestamp).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if told.topic == "EVT_GAP":
        return f"{when} {gap(told)}"
    words = [when, f"{told.topic:<18}", *_whose(_association(told)), summary(told)]
    return printable(" ".join(word for word in words if word))


def gap(told: Notification) -> str:
    """What was lost, as a sentence."""
    first, last = told.body["first"], told.body["last"]
    number = last - first + 1
    what = "notification was" if number == 1 else "notifications were"
    return (
        f"-- gap: {number} {told.body['topic']} {what} lost ({first} to {last} of {told.stream}) --"
    )


def plain(told: Notification) -> dict[str, Any]:
    """What JSON can carry: bytes become `{"base64": text}`."""
    association = _association(told)
    values: dict[str, Any] = {
        "event": told.topic,
        "timestamp": datetime.fromtimestamp(told.timestamp, UTC).isoformat(),
        "stream": told.stream,
        "seq": told.seq,
    }
    if association:
        values["association"] = {
            "id": association.get("id"),
            "acceptor": association.get("acceptor"),
            "side": association.get("side"),
            "state": association.get("state"),
            "local": association.get("local"),
            "remote": association.get("remote"),
            "calling_ae_title": _title(association, "requestor"),
            "called_ae_title": _title(association, "acceptor_info"),
        }
    values["summary"] = gap(told) if told.topic == "EVT_GAP" else summary(told)
    shown = {key: without_secrets(told.body[key]) for key in _PDUS if key in told.body}
    values["body"] = _plain({**told.body, **shown})
    return values


def summary(told: Notification) -> str:
    """What there is to say of it, in a few words."""
    say = _WORDS.get(told.topic, _fields)
    try:
        return say(told.body)
    except (GatewayError, LookupError, TypeError, ValueError):
        return _fields(told.body)  # another version's, or a worker's own: as it is


def without_secrets(pdu: bytes) -> bytes:
    """An A-ASSOCIATE PDU whose user identity is masked; any other PDU as it is (PS3.7 D.3.3.7).

    One that is cut or makes no sense is masked from its first item on.
    """
    if pdu[:1] not in (bytes([kind]) for kind in _ASSOCIATE):
        return pdu
    masked = bytearray(pdu)
    if not _mask_items(masked, _VARIABLE, len(masked)):
        masked[_VARIABLE:] = _MASK * len(masked[_VARIABLE:])
    return bytes(masked)


def _mask_items(pdu: bytearray, at: int, end: int) -> bool:
    """Mask what is secret in the items of this range; False if they do not fill it."""
    while at + _ITEM.size <= end:
        kind, length = _ITEM.unpack_from(pdu, at)
        begin, at = at + _ITEM.size, at + _ITEM.size + length
        if at > end:
            return False
        if kind == _USER_INFORMATION and not _mask_items(pdu, begin, at):
            return False
        if kind in (_IDENTITY, _IDENTITY_REPLY):
            named = _name_of_identity(pdu[begin:at]) if kind == _IDENTITY else 0
            pdu[begin + named : at] = _MASK * (at - begin - named)
    return at == end


def _name_of_identity(item: bytearray) -> int:
    """How much of a user identity sub-item is no secret."""
    if len(item) < _NAME_AT or item[0] not in _NAMED:
        return min(1, len(item))
    end = _NAME_AT + int.from_bytes(item[2:_NAME_AT], "big")
    return end if end + 2 <= len(item) else 1


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return {"base64": base64.b64encode(value).decode()}
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _association(told: Notification) -> dict[str, Any]:
    try:
        values = unpack(told.assoc) if told.assoc else {}
    except GatewayError:
        return {}
    return values if isinstance(values, dict) else {}


def _title(association: Mapping[str, Any], side: str) -> str:
    said = association.get(side)
    return str(said.get("ae_title") or "") if isinstance(said, dict) else ""


def _whose(association: Mapping[str, Any]) -> list[str]:
    if not association:
        return []
    calling, called = _title(association, "requestor"), _title(association, "acceptor_info")
    titles = f"{calling}>{called}" if calling or called else ""
    return [str(association.get("id", "?")), _address(association.get("remote")), titles]


def _address(pair: Any) -> str:
    return ":".join(map(str, pair)) if isinstance(pair, list) else ""


def _size(body: Mapping[str, Any]) -> str:
    cut = " (cut)" if body["truncated"] else ""
    return f"{body['length']} bytes{cut}"


def _pdu(body: Mapping[str, Any]) -> str:
    excerpt = body["pdu"] if "pdu" in body else body["data"]
    return f"{pdu_name(excerpt[0])} {_size(body)}"


def _message(body: Mapping[str, Any]) -> str:
    message = decode_message(body["command_set"])
    said = message.parameters()
    words = [_HYPHENS.sub("-", type(message).__name__).upper()]
    number = said.get("MessageID", said.get("MessageIDBeingRespondedTo"))
    words.append(f"message={number}")
    if (status := said.get("Status")) is not None:
        words.append(f"status=0x{status:04X}")
    sop_class = said.get("AffectedSOPClassUID", said.get("RequestedSOPClassUID"))
    words += [f"({name_of(str(sop_class))})"] if sop_class else []
    words += [f"data set {_size(body)}"] if body["length"] else []
    return " ".join(words)


def _transition(body: Mapping[str, Any]) -> str:
    return " ".join(body[key] for key in ("current_state", "fsm_event", "action", "next_state"))


def _fields(body: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={_field(value)}" for key, value in body.items())


def _field(value: Any) -> str:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, list | tuple):
        return ",".join(map(_field, value))
    return str(value)


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "EVT_CONN_OPEN": lambda _: "",  # the association says from where
    "EVT_CONN_CLOSE": lambda _: "",
    "EVT_DATA_RECV": _pdu,
    "EVT_DATA_SENT": _pdu,
    "EVT_PDU_RECV": _pdu,
    "EVT_PDU_SENT": _pdu,
    "EVT_ACSE_RECV": lambda body: f"{body['primitive']} {body['kind']}",
    "EVT_ACSE_SENT": lambda body: f"{body['primitive']} {body['kind']}",
    "EVT_DIMSE_RECV": _message,
    "EVT_DIMSE_SENT": _message,
    "EVT_FSM_TRANSITION": _transition,
}
"""What is said of an event; of others, their fields."""

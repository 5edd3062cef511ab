"""A notification as a line of text or as a JSON object, without secrets."""

from __future__ import annotations

import base64
import re
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.dimse.message import decode_message
from gateway.errors import GatewayError
from gateway.fabric.wire.frames import unpack
from gateway.requestor.status_text import printable
from gateway.uid import name_of
from gateway.ul.pdu import pdu_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.fabric import Notification

_PDUS = ("data", "pdu")
"""The keys of a body under which there may be a PDU."""

_ASSOCIATION_KEYS = ("id", "acceptor", "side", "state", "local", "remote")

# Association PDUs (PS3.8 9.3.2, 9.3.3)
_ASSOCIATE = (0x01, 0x02)
_VARIABLE = 74
_ITEM = struct.Struct(">BxH")
_USER_INFORMATION = 0x50
_IDENTITY = 0x58
_IDENTITY_REPLY = 0x59
_NAMED = (1, 2)
"""User identity types whose primary field is a user name, not a secret (PS3.7 D.3.3.7.1)."""
_NAME_AT = 4
"""Offset of the primary field in the sub-item."""
_MASK = b"*"

_HYPHENS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=^[CN])(?=[A-Z])")
"""The place of hyphens in the standard's names of message classes, as in C-ECHO-RQ."""


def line(notification: Notification) -> str:
    """Return one line: time, event, association, and a summary."""
    when = datetime.fromtimestamp(notification.timestamp).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if notification.topic == "EVT_GAP":
        return f"{when} {gap(notification)}"
    association = _association_words(_association(notification))
    words = [when, f"{notification.topic:<18}", *association, summary(notification)]
    return printable(" ".join(word for word in words if word))


def gap(notification: Notification) -> str:
    """Return a sentence that says which notifications were lost."""
    body, stream = notification.body, notification.stream
    first, last = body["first"], body["last"]
    number = last - first + 1
    what = "notification was" if number == 1 else "notifications were"
    return f"-- gap: {number} {body['topic']} {what} lost ({first} to {last} of {stream}) --"


def plain(notification: Notification) -> dict[str, Any]:
    """Return values that JSON can carry; bytes become `{"base64": text}`."""
    association = _association(notification)
    values: dict[str, Any] = {
        "event": notification.topic,
        "timestamp": datetime.fromtimestamp(notification.timestamp, UTC).isoformat(),
        "stream": notification.stream,
        "seq": notification.seq,
    }
    if association:
        values["association"] = {
            **{key: association.get(key) for key in _ASSOCIATION_KEYS},
            "calling_ae_title": _title(association, "requestor"),
            "called_ae_title": _title(association, "acceptor_info"),
        }
    describe = gap if notification.topic == "EVT_GAP" else summary
    values["summary"] = describe(notification)
    body = notification.body
    masked = {key: without_secrets(body[key]) for key in _PDUS if key in body}
    values["body"] = _plain({**body, **masked})
    return values


def summary(notification: Notification) -> str:
    """Return a short description of the body of a notification."""
    describe = _DESCRIPTIONS.get(notification.topic, _fields)
    try:
        return describe(notification.body)
    except (GatewayError, LookupError, TypeError, ValueError):
        return _fields(notification.body)  # of another version, or an event of a worker


def without_secrets(pdu: bytes) -> bytes:
    """Return an A-ASSOCIATE PDU with a masked user identity; any other PDU unchanged.

    One that is truncated or malformed is masked from its first item on (PS3.7 D.3.3.7).
    """
    if pdu[:1] not in (bytes([kind]) for kind in _ASSOCIATE):
        return pdu
    masked = bytearray(pdu)
    if not _mask_items(masked, _VARIABLE, len(masked)):
        masked[_VARIABLE:] = _MASK * len(masked[_VARIABLE:])
    return bytes(masked)


def _mask_items(pdu: bytearray, at: int, end: int) -> bool:
    """Mask the secrets in the items of this range; return False if the items do not fill it."""
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
    """Return how many bytes at the beginning of a user identity sub-item are not secret."""
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


def _association(notification: Notification) -> dict[str, Any]:
    try:
        values = unpack(notification.assoc) if notification.assoc else {}
    except GatewayError:
        return {}
    return values if isinstance(values, dict) else {}


def _title(association: Mapping[str, Any], side: str) -> str:
    user = association.get(side)
    return str(user.get("ae_title") or "") if isinstance(user, dict) else ""


def _association_words(association: Mapping[str, Any]) -> list[str]:
    if not association:
        return []
    calling, called = _title(association, "requestor"), _title(association, "acceptor_info")
    titles = f"{calling}>{called}" if calling or called else ""
    return [str(association.get("id", "?")), _address(association.get("remote")), titles]


def _address(pair: Any) -> str:
    return ":".join(map(str, pair)) if isinstance(pair, list) else ""


def _size(body: Mapping[str, Any]) -> str:
    cut = " (truncated)" if body["truncated"] else ""
    return f"{body['length']} bytes{cut}"


def _pdu(body: Mapping[str, Any]) -> str:
    excerpt = body["pdu"] if "pdu" in body else body["data"]
    return f"{pdu_name(excerpt[0])} {_size(body)}"


def _message(body: Mapping[str, Any]) -> str:
    message = decode_message(body["command_set"])
    values = message.parameters()
    words = [_HYPHENS.sub("-", type(message).__name__).upper()]
    number = values.get("MessageID", values.get("MessageIDBeingRespondedTo"))
    words.append(f"message={number}")
    if (status := values.get("Status")) is not None:
        words.append(f"status=0x{status:04X}")
    sop_class = values.get("AffectedSOPClassUID", values.get("RequestedSOPClassUID"))
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


_DESCRIPTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "EVT_CONN_OPEN": lambda _: "",  # the association has the address
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
"""Descriptions by event; other events are described by their fields."""

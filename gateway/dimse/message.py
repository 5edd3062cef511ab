"""The 23 messages (PS3.7 9.3 and 10.3).

Any bytes decode to a message, to a MessageError (a request that can be answered with a failure), or
to a RemoteProtocolError (no answer is possible: A-ABORT).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING

from gateway.dimse import status as codes
from gateway.dimse.base import (
    MESSAGES,
    DataSet,
    Fault,
    Message,
    Request,
    Response,
    build,
    encode_message,
    response_of,
)
from gateway.dimse.command_elements import (
    COMMAND_DATA_SET_TYPE,
    COMMAND_FIELD,
    MESSAGE_ID,
    NO_DATA_SET,
    RESPONSE,
    VR,
    Priority,
)
from gateway.dimse.command_elements import CommandField as Cmd
from gateway.dimse.command_set import DECODERS, LIMIT, split
from gateway.dimse.errors import MessageError, RespondTo, abort
from gateway.uid import MAX_LENGTH, VERIFICATION, is_tolerable

if TYPE_CHECKING:
    from gateway.errors import RemoteProtocolError

# fmt: off
__all__ = [
    "MESSAGES", "CCancelRQ", "CEchoRQ", "CEchoRSP", "CFindRQ", "CFindRSP", "CGetRQ", "CGetRSP",
    "CMoveRQ", "CMoveRSP", "CStoreRQ", "CStoreRSP", "DataSet", "Message", "NActionRQ",
    "NActionRSP", "NCreateRQ", "NCreateRSP", "NDeleteRQ", "NDeleteRSP", "NEventReportRQ",
    "NEventReportRSP", "NGetRQ", "NGetRSP", "NSetRQ", "NSetRSP", "Request", "Response",
    "UnrecognizedRSP", "decode", "decode_message", "error_response",
]
# fmt: on


@dataclass(frozen=True, slots=True)
class CEchoRQ(Request, command=Cmd.C_ECHO_RQ):
    """C-ECHO-RQ (PS3.7 9.3.5.1)."""

    affected_sop_class_uid: str = VERIFICATION


@dataclass(frozen=True, slots=True)
class CEchoRSP(Response, command=Cmd.C_ECHO_RSP):
    """C-ECHO-RSP (PS3.7 9.3.5.2)."""


@dataclass(frozen=True, slots=True)
class CStoreRQ(Request, command=Cmd.C_STORE_RQ, data_set=DataSet.REQUIRED):
    """C-STORE-RQ (PS3.7 9.3.1.1)."""

    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    priority: int = Priority.MEDIUM
    move_originator_ae_title: str | None = None
    move_originator_message_id: int | None = None

    def encode(self, has_data_set: bool = False) -> bytes:
        """Return what `Message.encode` does; most of it is known from earlier ones."""
        sop_class, instance = self.affected_sop_class_uid, self.affected_sop_instance_uid
        message_id = self.message_id
        is_usual = type(sop_class) is str and type(instance) is str and is_tolerable(instance)
        if not is_usual or type(message_id) is not int or not 0 <= message_id <= _MOST:
            return Request.encode(self, has_data_set)
        rest = self.priority, self.move_originator_ae_title, self.move_originator_message_id
        try:
            before, between, after = store_request_parts(
                sop_class, len(instance), *rest, has_data_set
            )
        except TypeError:  # a value that no element can have: that is told in one place
            return Request.encode(self, has_data_set)
        number = message_id.to_bytes(2, "little")
        return b"".join((before, number, between, instance.encode("ascii"), after))

    def plain_response(self, status: int) -> bytes:
        """Return what `Request.plain_response` does; most of it is known from earlier ones."""
        sop_class, instance = self.affected_sop_class_uid, self.affected_sop_instance_uid
        if type(sop_class) is not str or type(instance) is not str:
            return Request.plain_response(self, status)
        before, between, after = _store_response(sop_class, status, len(instance))
        message_id = self.message_id.to_bytes(2, "little")
        return b"".join((before, message_id, between, instance.encode("ascii"), after))


@lru_cache(256)
def store_request_parts(
    sop_class: str,
    length: int,
    priority: int,
    title: str | None,
    originator: int | None,
    has_data_set: bool,
) -> tuple[bytes, bytes, bytes]:
    """Return a C-STORE-RQ without its message ID and its instance UID, which has that length."""
    request = CStoreRQ(0, sop_class, "1" * length, priority, title, originator)
    whole = Request.encode(request, has_data_set)
    message_id = whole.index(_MESSAGE_ID) + len(_MESSAGE_ID)
    header = Struct("<HHL").pack(0, 0x1000, length + length % 2)
    uid = whole.index(header) + len(header)
    return whole[:message_id], whole[message_id + 2 : uid], whole[uid + length :]


_MOST = 0xFFFF
_MESSAGE_ID = Struct("<HHL").pack(0, 0x0110, 2)
"""The header of (0000,0110), Message ID."""


@lru_cache(256)
def _store_response(sop_class: str, status: int, length: int) -> tuple[bytes, bytes, bytes]:
    """Return a C-STORE-RSP without its message ID and its instance UID, which has that length."""
    instance = "1" * length
    whole = CStoreRSP(0, status, sop_class, None, instance).encode()
    message_id = whole.index(_RESPONDED_TO) + len(_RESPONDED_TO)
    uid = whole.rindex(instance.encode("ascii"))
    return whole[:message_id], whole[message_id + 2 : uid], whole[uid + length :]


_RESPONDED_TO = Struct("<HHL").pack(0, 0x0120, 2)
"""The header of (0000,0120), Message ID Being Responded To."""


@dataclass(frozen=True, slots=True)
class CStoreRSP(Response, command=Cmd.C_STORE_RSP):
    """C-STORE-RSP (PS3.7 9.3.1.2)."""

    affected_sop_instance_uid: str | None = None
    offending_element: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class _QueryRQ(Request, data_set=DataSet.REQUIRED):
    affected_sop_class_uid: str
    priority: int = Priority.MEDIUM


@dataclass(frozen=True, slots=True)
class CFindRQ(_QueryRQ, command=Cmd.C_FIND_RQ):
    """C-FIND-RQ (PS3.7 9.3.2.1)."""


@dataclass(frozen=True, slots=True)
class CFindRSP(Response, command=Cmd.C_FIND_RSP, data_set=DataSet.ALLOWED):
    """C-FIND-RSP (PS3.7 9.3.2.2)."""

    offending_element: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class CGetRQ(_QueryRQ, command=Cmd.C_GET_RQ):
    """C-GET-RQ (PS3.7 9.3.3.1)."""


@dataclass(frozen=True, slots=True)
class _RetrieveRSP(Response, data_set=DataSet.ALLOWED):
    number_of_remaining_suboperations: int | None = None
    """Only in a pending response, and after C-CANCEL."""
    number_of_completed_suboperations: int | None = None
    number_of_failed_suboperations: int | None = None
    number_of_warning_suboperations: int | None = None
    offending_element: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class CGetRSP(_RetrieveRSP, command=Cmd.C_GET_RSP):
    """C-GET-RSP (PS3.7 9.3.3.2)."""


@dataclass(frozen=True, slots=True)
class CMoveRQ(Request, command=Cmd.C_MOVE_RQ, data_set=DataSet.REQUIRED):
    """C-MOVE-RQ (PS3.7 9.3.4.1)."""

    affected_sop_class_uid: str
    move_destination: str
    priority: int = Priority.MEDIUM


@dataclass(frozen=True, slots=True)
class CMoveRSP(_RetrieveRSP, command=Cmd.C_MOVE_RSP):
    """C-MOVE-RSP (PS3.7 9.3.4.2)."""


@dataclass(frozen=True, slots=True)
class CCancelRQ(Message, command=Cmd.C_CANCEL_RQ):
    """C-CANCEL-RQ of a C-FIND, C-GET or C-MOVE; has no response (PS3.7 9.3.2.3)."""

    message_id_being_responded_to: int


@dataclass(frozen=True, slots=True)
class _NormalizedRSP(Response):
    affected_sop_instance_uid: str | None = None
    error_id: int | None = None


@dataclass(frozen=True, slots=True)
class NEventReportRQ(Request, command=Cmd.N_EVENT_REPORT_RQ, data_set=DataSet.ALLOWED):
    """N-EVENT-REPORT-RQ, from the SCP to the SCU (PS3.7 10.3.1.1)."""

    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    event_type_id: int


@dataclass(frozen=True, slots=True)
class NEventReportRSP(_NormalizedRSP, command=Cmd.N_EVENT_REPORT_RSP, data_set=DataSet.ALLOWED):
    """N-EVENT-REPORT-RSP (PS3.7 10.3.1.2)."""

    event_type_id: int | None = None


@dataclass(frozen=True, slots=True)
class NGetRQ(Request, command=Cmd.N_GET_RQ):
    """N-GET-RQ (PS3.7 10.3.2.1)."""

    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    attribute_identifier_list: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class NGetRSP(_NormalizedRSP, command=Cmd.N_GET_RSP, data_set=DataSet.ALLOWED):
    """N-GET-RSP (PS3.7 10.3.2.2)."""

    attribute_identifier_list: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class NSetRQ(Request, command=Cmd.N_SET_RQ, data_set=DataSet.REQUIRED):
    """N-SET-RQ (PS3.7 10.3.3.1)."""

    requested_sop_class_uid: str
    requested_sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class NSetRSP(_NormalizedRSP, command=Cmd.N_SET_RSP, data_set=DataSet.ALLOWED):
    """N-SET-RSP (PS3.7 10.3.3.2)."""

    attribute_identifier_list: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class NActionRQ(Request, command=Cmd.N_ACTION_RQ, data_set=DataSet.ALLOWED):
    """N-ACTION-RQ (PS3.7 10.3.4.1)."""

    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    action_type_id: int


@dataclass(frozen=True, slots=True)
class NActionRSP(_NormalizedRSP, command=Cmd.N_ACTION_RSP, data_set=DataSet.ALLOWED):
    """N-ACTION-RSP (PS3.7 10.3.4.2)."""

    action_type_id: int | None = None


@dataclass(frozen=True, slots=True)
class NCreateRQ(Request, command=Cmd.N_CREATE_RQ, data_set=DataSet.ALLOWED):
    """N-CREATE-RQ (PS3.7 10.3.5.1)."""

    affected_sop_class_uid: str
    affected_sop_instance_uid: str | None = None
    """Without it the SCP creates one and returns it in its response."""


@dataclass(frozen=True, slots=True)
class NCreateRSP(_NormalizedRSP, command=Cmd.N_CREATE_RSP, data_set=DataSet.ALLOWED):
    """N-CREATE-RSP (PS3.7 10.3.5.2)."""

    attribute_identifier_list: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class NDeleteRQ(Request, command=Cmd.N_DELETE_RQ):
    """N-DELETE-RQ (PS3.7 10.3.6.1)."""

    requested_sop_class_uid: str
    requested_sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class NDeleteRSP(_NormalizedRSP, command=Cmd.N_DELETE_RSP):
    """N-DELETE-RSP (PS3.7 10.3.6.2)."""


@dataclass(frozen=True, slots=True)
class UnrecognizedRSP(Response):
    """The failure response to a request with an unknown command field (0211H)."""

    request_field: int = 0

    def encode(self, has_data_set: bool = False) -> bytes:
        """Return the command set, with the command field that a response would have."""
        return encode_message(self, self.request_field | RESPONSE, has_data_set)


def decode(command_set: bytes) -> tuple[Message, bool]:
    """Decode a command set; return the message, and whether a data set follows.

    Raises MessageError for a request that can only be answered with a failure, and
    RemoteProtocolError if no answer is possible.
    """
    if len(command_set) > LIMIT:
        raise abort(f"command set of {len(command_set)} bytes")
    raw, damage = split(command_set)
    field = _unsigned(raw, COMMAND_FIELD)
    if field is None:
        raise abort("command set without a command field" + (damage and f": {damage}"))
    type_ = _unsigned(raw, COMMAND_DATA_SET_TYPE)
    has_data_set = type_ is not None and type_ != NO_DATA_SET
    try:
        return _decode(field, raw, type_, damage), has_data_set
    except Fault as fault:
        raise _error_of(field, raw, has_data_set, fault) from None


def decode_message(command_set: bytes) -> Message:
    """Decode a command set as `decode` does, and return the message only."""
    return decode(command_set)[0]


def error_response(error: MessageError) -> Response:
    """Return the failure response to an invalid request."""
    to = error.respond_to
    kind = MESSAGES.get(to.command_field | RESPONSE)
    if kind is None:
        return UnrecognizedRSP(
            to.message_id, error.status, to.sop_class_uid, str(error), to.command_field
        )
    values = {
        "message_id_being_responded_to": to.message_id,
        "status": error.status,
        "affected_sop_class_uid": to.sop_class_uid,
        "affected_sop_instance_uid": to.sop_instance_uid,
        "error_comment": str(error),
        "offending_element": error.offending_element or None,
    }
    return response_of(kind, values)


def _decode(field: int, raw: dict[int, bytes], type_: int | None, damage: str) -> Message:
    kind = MESSAGES.get(field)
    if kind is None:
        text = f"unknown command field {field:04X}H"
        raise Fault(codes.UNRECOGNIZED_OPERATION, text, COMMAND_FIELD)
    if damage:
        raise Fault(codes.MISTYPED_ARGUMENT, damage)
    message = build(kind, raw, strict=issubclass(kind, Request))
    if type_ is None or (type_ == NO_DATA_SET and kind.data_set is DataSet.REQUIRED):
        text = "CommandDataSetType is missing" if type_ is None else "the data set is missing"
        raise Fault(codes.MISTYPED_ARGUMENT, text, COMMAND_DATA_SET_TYPE)
    return message


def _error_of(
    field: int, raw: dict[int, bytes], has_data_set: bool, fault: Fault
) -> MessageError | RemoteProtocolError:
    message_id = _unsigned(raw, MESSAGE_ID)
    if message_id is None or field & RESPONSE or field == Cmd.C_CANCEL_RQ:
        return abort(f"command {field:04X}H: {fault}")
    respond_to = RespondTo(field, message_id, _uid(raw, 0x0002), _uid(raw, 0x1000))
    return MessageError(
        fault.status,
        str(fault),
        respond_to,
        offending_element=fault.offending,
        has_data_set=has_data_set,
    )


def _unsigned(raw: dict[int, bytes], tag: int) -> int | None:
    value = raw.get(tag)
    return None if not value or len(value) % 2 else value[0] | value[1] << 8


def _uid(raw: dict[int, bytes], affected: int) -> str | None:
    """Return the Affected or Requested UID, to repeat it; None if it is too long."""
    value = raw.get(affected) or raw.get(affected + 1) or b""
    uid = DECODERS[VR.UI](value)
    return uid if isinstance(uid, str) and len(uid) <= MAX_LENGTH else None

"""The lines that `debug_logger` shows of associations and messages.

They say what pynetdicom's say, in the same order: the parameters of an association as each side
proposed or accepted them, and each message with its command elements. Data sets are shown only
where `config_flags.LOG_REQUEST_IDENTIFIERS` or `LOG_RESPONSE_IDENTIFIERS` ask for them, because
they are patients' data. Secrets of a user identity are never shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.datasets import DatasetError
from gateway.datasets.coding import decode
from gateway.facade import flags
from gateway.log import escape
from gateway.sdk.assoc import RESULTS
from gateway.uid import name_of
from gateway.ul.items import UserIdentityRQ
from gateway.ul.pdu import AAbort, AAssociateAC, AAssociateRJ, AAssociateRQ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

    from gateway.sdk.acse_primitives import AcsePrimitive
    from gateway.sdk.event import Event
    from gateway.sdk.watched import DimseMessage
    from gateway.ul.items import UserInformation
    from gateway.ul.pdu import PDU


_IDENTITIES = {1: "username", 2: "username and passcode", 3: "Kerberos", 4: "SAML", 5: "JWT"}
_HIDDEN = frozenset({"CommandGroupLength", "CommandField", "CommandDataSetType"})
_RESPONSE = 0x8000
_WITH_IDENTIFIER = ("C-FIND", "C-GET", "C-MOVE")


def of_primitive(primitive: AcsePrimitive, verb: str) -> Iterator[str]:
    """Yield the lines for an ACSE primitive; `verb` is Sending or Received."""
    pdu = primitive.pdu
    yield f"{verb} {type_of(pdu) if pdu is not None else primitive.name}"
    match pdu:
        case AAssociateRQ():
            yield from _request(pdu)
        case AAssociateAC():
            yield from _acceptance(pdu)
        case AAssociateRJ():
            yield f"  result {pdu.result}, source {pdu.source}, reason {pdu.reason}"
            yield f"  {pdu.describe()}"
        case AAbort():
            yield f"  source {pdu.source}, reason {pdu.reason}: {pdu.describe()}"


def type_of(pdu: PDU) -> str:
    """Return the standard's name of a PDU."""
    return {
        "AAssociateRQ": "A-ASSOCIATE-RQ",
        "AAssociateAC": "A-ASSOCIATE-AC",
        "AAssociateRJ": "A-ASSOCIATE-RJ",
        "AReleaseRQ": "A-RELEASE-RQ",
        "AReleaseRP": "A-RELEASE-RP",
        "AAbort": "A-ABORT",
    }.get(type(pdu).__name__, "P-DATA-TF")


def _request(pdu: AAssociateRQ) -> Iterator[str]:
    yield f"  Calling AE title: {escape(pdu.calling_ae_title)}"
    yield f"  Called AE title:  {escape(pdu.called_ae_title)}"
    yield from _information(pdu.user_information)
    yield f"  Presentation contexts: {len(pdu.presentation_contexts)}"
    roles = {role.sop_class_uid: role for role in pdu.user_information.roles}
    for context in pdu.presentation_contexts:
        yield f"    {context.id}: {escape(name_of(context.abstract_syntax))}"
        if (role := roles.get(context.abstract_syntax)) is not None:
            yield f"      roles: SCU {int(role.scu_role)}, SCP {int(role.scp_role)}"
        yield from (f"      {escape(name_of(syntax))}" for syntax in context.transfer_syntaxes)


def _acceptance(pdu: AAssociateAC) -> Iterator[str]:
    yield from _information(pdu.user_information)
    yield f"  Presentation contexts: {len(pdu.presentation_contexts)}"
    for context in pdu.presentation_contexts:
        result = RESULTS.get(int(context.result), "Unknown")
        yield f"    {context.id}: {result}"
        if not int(context.result):
            yield f"      {escape(name_of(context.transfer_syntax))}"
    for role in pdu.user_information.roles:
        uid = escape(name_of(role.sop_class_uid))
        yield f"  Roles for {uid}: SCU {int(role.scu_role)}, SCP {int(role.scp_role)}"


def _information(user: UserInformation) -> Iterator[str]:
    yield f"  Maximum PDU length: {user.maximum_length}"
    yield f"  Implementation class UID: {escape(user.implementation_class_uid or 'none')}"
    yield f"  Implementation version name: {escape(user.implementation_version_name or 'none')}"
    if user.async_ops is not None:
        window = user.async_ops
        yield f"  Asynchronous operations: {window.invoked} invoked, {window.performed} performed"
    for item in user.sop_class_extended:
        size = len(item.application_information)
        yield f"  Extended negotiation of {escape(name_of(item.sop_class_uid))}: {size} bytes"
    for common in user.sop_class_common_extended:
        yield f"  Common extended negotiation of {escape(name_of(common.sop_class_uid))}"
    if isinstance(identity := user.user_identity, UserIdentityRQ):
        kind = _IDENTITIES.get(identity.type, str(identity.type))
        size = len(identity.primary_field) + len(identity.secondary_field)
        yield f"  User identity: {kind}, {size} bytes"
    elif identity is not None:
        yield f"  User identity response: {len(identity.server_response)} bytes"


def of_message(event: Event, verb: str) -> Iterator[str]:
    """Yield the lines for a DIMSE message."""
    message: DimseMessage = event.message
    command = message.command_set
    name = _message_name(command)
    yield f"{verb} {name} on context {message.context_id}"
    for element in command:
        if element.keyword not in _HIDDEN:
            yield f"  {element.keyword or element.tag}: {_value(element.keyword, element.value)}"
    length = int(event.length)
    yield f"  Data set: {f'{length} bytes' if length else 'none'}"
    if length and _is_shown(name):
        yield from _data_set(event, message)


def _message_name(command: Dataset) -> str:
    field = int(command.get("CommandField", 0))
    return (
        f"{_OPERATIONS.get(field & ~_RESPONSE, hex(field))}-{'RSP' if field & _RESPONSE else 'RQ'}"
    )


_OPERATIONS = {
    0x0001: "C-STORE",
    0x0010: "C-GET",
    0x0020: "C-FIND",
    0x0021: "C-MOVE",
    0x0030: "C-ECHO",
    0x0100: "N-EVENT-REPORT",
    0x0110: "N-GET",
    0x0120: "N-SET",
    0x0130: "N-ACTION",
    0x0140: "N-CREATE",
    0x0150: "N-DELETE",
    0x0FFF: "C-CANCEL",
}


def _value(keyword: str, value: Any) -> str:
    if keyword == "Status":
        return f"0x{int(value):04X}"
    text = str(value)
    return escape(name_of(text) if keyword.endswith("SOPClassUID") else text)


def _is_shown(name: str) -> bool:
    if not name.startswith(_WITH_IDENTIFIER):
        return False
    is_response = name.endswith("RSP")
    return flags.LOG_RESPONSE_IDENTIFIERS if is_response else flags.LOG_REQUEST_IDENTIFIERS


def _data_set(event: Event, message: DimseMessage) -> Iterator[str]:
    syntaxes = {c.id: c.transfer_syntax for c in event.assoc.usable_contexts()}
    try:
        dataset = decode(message.encoded_data_set, syntaxes[message.context_id])
        yield from (f"    {escape(line)}" for line in str(dataset).splitlines())
    except (DatasetError, KeyError, ValueError) as error:
        yield f"    it cannot be shown: {type(error).__name__}"

"""An encoder of the wire that knows nothing of `gateway.ul`; what it sends may be wrong on purpose.

Everything is bytes in, bytes out. Lengths are computed unless a test gives a false one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
PEER_CLASS_UID = "2.25.310101010101010101"

RQ, AC, RJ, PDATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)


def pdu(kind: int, body: bytes, *, length: int | None = None, reserved: int = 0) -> bytes:
    """PS3.8 9.3.1: type, reserved, 4-byte length, body."""
    return struct.pack(">BBI", kind, reserved, len(body) if length is None else length) + body


def item(kind: int, body: bytes, *, length: int | None = None, reserved: int = 0) -> bytes:
    """Item or sub-item: type, reserved, 2-byte length, body."""
    return struct.pack(">BBH", kind, reserved, len(body) if length is None else length) + body


def context(id_: int, abstract: str = VERIFICATION, *transfers: str, reserved: int = 0) -> bytes:
    """Presentation context item of an A-ASSOCIATE-RQ (PS3.8 9.3.2.2)."""
    subs = item(0x30, abstract.encode(), reserved=reserved)
    subs += b"".join(item(0x40, t.encode(), reserved=reserved) for t in transfers or (IMPLICIT,))
    return item(0x20, bytes((id_, reserved, reserved, reserved)) + subs, reserved=reserved)


def maximum_length(value: int) -> bytes:
    return item(0x51, struct.pack(">I", value))


def implementation(uid: str = PEER_CLASS_UID) -> bytes:
    return item(0x52, uid.encode())


def version_name(name: str = "RAWPEER") -> bytes:
    return item(0x55, name.encode())


def async_window(invoked: int, performed: int) -> bytes:
    return item(0x53, struct.pack(">HH", invoked, performed))


def role(uid: str, scu: int, scp: int) -> bytes:
    return item(0x54, struct.pack(">H", len(uid)) + uid.encode() + bytes((scu, scp)))


def sop_extended(uid: str, info: bytes) -> bytes:
    return item(0x56, struct.pack(">H", len(uid)) + uid.encode() + info)


def user_identity(kind: int, primary: bytes, secondary: bytes = b"", *, reply: int = 0) -> bytes:
    fields = struct.pack(">H", len(primary)) + primary + struct.pack(">H", len(secondary))
    return item(0x58, bytes((kind, reply)) + fields + secondary)


def user_information(*subs: bytes, reserved: int = 0) -> bytes:
    return item(0x50, b"".join(subs), reserved=reserved)


def default_user(max_length: int = 16384) -> bytes:
    return user_information(maximum_length(max_length), implementation(), version_name())


def title(text: str | bytes) -> bytes:
    """16 bytes of an AE title field, space padded."""
    raw = text.encode() if isinstance(text, str) else text
    return raw.ljust(16, b" ")[:16]


def associate_rq(
    *contexts: bytes,
    called: str | bytes = "GATEWAY",
    calling: str | bytes = "RAWPEER",
    version: int = 1,
    application: str | None = APPLICATION_CONTEXT,
    user: bytes | None = None,
    reserved: tuple[bytes, bytes] = (bytes(2), bytes(32)),
    items: bytes | None = None,
) -> bytes:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2); `items` replaces everything behind the fixed 68 bytes."""
    head = struct.pack(">H", version) + reserved[0] + title(called) + title(calling) + reserved[1]
    if items is None:
        items = item(0x10, application.encode()) if application is not None else b""
        items += b"".join(contexts or (context(1),))
        items += default_user() if user is None else user
    return pdu(RQ, head + items)


def associate_ac(*answers: tuple[int, int, str], user: bytes | None = None) -> bytes:
    """A-ASSOCIATE-AC (PS3.8 9.3.3) of (context id, result, transfer syntax)."""
    items = item(0x10, APPLICATION_CONTEXT.encode())
    for id_, result, transfer in answers:
        items += item(0x21, bytes((id_, 0, result, 0)) + item(0x40, transfer.encode()))
    items += default_user() if user is None else user
    head = struct.pack(">HH", 1, 0) + title("GATEWAY") + title("RAWPEER") + bytes(32)
    return pdu(AC, head + items)


def associate_rj(result: int, source: int, reason: int) -> bytes:
    return pdu(RJ, bytes((0, result, source, reason)))


def release_rq() -> bytes:
    return pdu(RELEASE_RQ, bytes(4))


def release_rp() -> bytes:
    return pdu(RELEASE_RP, bytes(4))


def abort(source: int = 0, reason: int = 0) -> bytes:
    return pdu(ABORT, bytes((0, 0, source, reason)))


def pdv(context_id: int, header: int, data: bytes, *, length: int | None = None) -> bytes:
    """PDV item (PS3.8 9.3.5.1): bit 0 command, bit 1 last."""
    size = len(data) + 2 if length is None else length
    return struct.pack(">IBB", size, context_id, header) + data


def p_data(*pdvs: bytes) -> bytes:
    return pdu(PDATA, b"".join(pdvs))


def uid_value(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def us(value: int) -> bytes:
    return struct.pack("<H", value)


def element(tag: int, value: bytes, group: int = 0) -> bytes:
    """Implicit VR little endian, as in every command set (PS3.7 6.3.1)."""
    return struct.pack("<HHI", group, tag, len(value)) + value


def command_set(*elements: bytes, group_length: int | None = -1) -> bytes:
    """Elements behind a (0000,0000): -1 the true one, None none at all, else that value."""
    body = b"".join(elements)
    if group_length is None:
        return body
    size = len(body) if group_length == -1 else group_length
    return element(0x0000, struct.pack("<I", size)) + body


NO_DATA_SET = 0x0101


def echo_rq(message_id: int = 1, *, uid: str = VERIFICATION, **options) -> bytes:
    return command_set(
        element(0x0002, uid_value(uid)),
        element(0x0100, us(0x0030)),
        element(0x0110, us(message_id)),
        element(0x0800, us(NO_DATA_SET)),
        **options,
    )


def echo_rsp(message_id: int = 1, status: int = 0, *, uid: bytes | None = None) -> bytes:
    """The C-ECHO-RSP that PS3.7 9.3.5.2 prescribes, in ascending tag order."""
    return command_set(
        element(0x0002, uid_value(VERIFICATION) if uid is None else uid),
        element(0x0100, us(0x8030)),
        element(0x0120, us(message_id)),
        element(0x0800, us(NO_DATA_SET)),
        element(0x0900, us(status)),
    )


def store_rq(instance: str, message_id: int = 1, *, sop_class: str = CT, **options) -> bytes:
    return command_set(
        element(0x0002, uid_value(sop_class)),
        element(0x0100, us(0x0001)),
        element(0x0110, us(message_id)),
        element(0x0700, us(0)),
        element(0x0800, us(1)),
        element(0x1000, uid_value(instance)),
        **options,
    )


def store_rsp(instance: str, message_id: int, status: int = 0, *, sop_class: str = CT) -> bytes:
    return command_set(
        element(0x0002, uid_value(sop_class)),
        element(0x0100, us(0x8001)),
        element(0x0120, us(message_id)),
        element(0x0800, us(NO_DATA_SET)),
        element(0x0900, us(status)),
        element(0x1000, uid_value(instance)),
    )


def cancel_rq(message_id: int) -> bytes:
    return command_set(
        element(0x0100, us(0x0FFF)),
        element(0x0120, us(message_id)),
        element(0x0800, us(NO_DATA_SET)),
    )


def message(context_id: int, command: bytes, data: bytes | None = None, *, pdu_size=16384) -> bytes:
    """The P-DATA-TF PDUs of one DIMSE message, command and data set in PDUs of their own."""
    out = [p_data(pdv(context_id, 3, command))]
    if data is not None:
        step = pdu_size - 6
        cuts = list(range(0, len(data), step)) or [0]
        for at in cuts:
            last = at + step >= len(data)
            out.append(p_data(pdv(context_id, 2 if last else 0, data[at : at + step])))
    return b"".join(out)


@dataclass(frozen=True)
class Accepted:
    """A decoded A-ASSOCIATE-AC."""

    raw: bytes
    header: bytes
    """Bytes 11-74: what must be an echo of the A-ASSOCIATE-RQ."""
    contexts: dict[int, tuple[int, str]] = field(default_factory=dict)
    user: list[tuple[int, bytes]] = field(default_factory=list)

    def sub_items(self, kind: int) -> list[bytes]:
        return [body for k, body in self.user if k == kind]

    @property
    def maximum_length(self) -> int:
        return int.from_bytes(self.sub_items(0x51)[0], "big")


def items_of(data: bytes) -> list[tuple[int, bytes]]:
    """The items of a variable field, each as (type, body); raises ValueError on a bad length."""
    out, at = [], 0
    while at < len(data):
        kind, _, size = struct.unpack_from(">BBH", data, at)
        if at + 4 + size > len(data):
            raise ValueError(f"item {kind:02X} of {size} bytes is longer than its PDU")
        out.append((kind, data[at + 4 : at + 4 + size]))
        at += 4 + size
    return out


def parse_ac(raw: bytes) -> Accepted:
    if raw[:1] != b"\x02":
        raise ValueError(f"not an A-ASSOCIATE-AC: {raw[:16].hex(' ')}")
    contexts, user = {}, []
    for kind, body in items_of(raw[74:]):
        if kind == 0x21:
            transfers = [b for k, b in items_of(body[4:]) if k == 0x40]
            contexts[body[0]] = (body[2], transfers[0].decode().rstrip("\0") if transfers else "")
        elif kind == 0x50:
            user = items_of(body)
    return Accepted(raw, raw[10:74], contexts, user)


def parse_pdvs(raw: bytes) -> list[tuple[int, int, bytes]]:
    """The PDVs of a whole P-DATA-TF PDU as (context id, header, data)."""
    if raw[:1] != b"\x04":
        raise ValueError(f"not a P-DATA-TF: {raw[:16].hex(' ')}")
    out, at = [], 6
    while at < len(raw):
        size, context_id, header = struct.unpack_from(">IBB", raw, at)
        if size < 2 or at + 4 + size > len(raw):
            raise ValueError(f"PDV of length {size} at {at} in a PDU of {len(raw)}")
        out.append((context_id, header, raw[at + 6 : at + 4 + size]))
        at += 4 + size
    return out


def parse_command(data: bytes) -> dict[int, bytes]:
    """The elements of a command set by element number; raises ValueError if they do not fit."""
    out, at = {}, 0
    while at < len(data):
        group, tag, size = struct.unpack_from("<HHI", data, at)
        if group != 0 or at + 8 + size > len(data):
            raise ValueError(f"({group:04X},{tag:04X}) of {size} bytes does not fit")
        out[tag] = data[at + 8 : at + 8 + size]
        at += 8 + size
    return out


def status_of(command: bytes) -> int:
    return int.from_bytes(parse_command(command)[0x0900], "little")

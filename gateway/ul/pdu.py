"""The seven PDUs of the upper layer protocol (PS3.8 9.3).

`decode_pdu` is total: any bytes give a PDU or one RemoteProtocolError. A P-DATA-TF is decoded here
only if it is complete in memory (in a trace or a test); on an association, `framing` passes on its
parts as they arrive.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self, TypeAlias

from gateway import uid
from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.ul import encoding
from gateway.ul.items import (
    APPLICATION_CONTEXT,
    PresentationContextAC,
    PresentationContextRQ,
    UserInformation,
    encode_application_context,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.ul.encoding import Reader

PDU_HEADER = struct.Struct("!BxI")
"""Type, reserved byte, length of what follows (PS3.8 9.3.1)."""
PDU_AND_PDV = struct.Struct("!BxIIBB")
"""The header of a PDU and that of the PDV at its beginning."""
PDV_HEADER = struct.Struct("!IBB")
"""Length of what follows, context ID, message control header (PS3.8 9.3.5.1, annex E)."""
COMMAND = 0x01
LAST = 0x02

MAX_ASSOCIATE_LENGTH = 1024 * 1024
"""The longest A-ASSOCIATE-RQ or A-ASSOCIATE-AC that is read."""
_CONTEXTS = 129
"""Presentation contexts that are decoded. There are 128 IDs: one of 129 has a wrong ID, or one that
is taken, and the request is rejected for that."""


def _pdu(kind: int, *values: bytes) -> bytes:
    value = b"".join(values)
    return PDU_HEADER.pack(kind, len(value)) + value


def _encode_associate(pdu: AAssociateRQ | AAssociateAC, header: bytes) -> bytes:
    """Return an A-ASSOCIATE PDU whose bytes 11 to 74 are `header`."""
    return _pdu(
        pdu.kind,
        encoding.uint16(pdu.protocol_version),
        bytes(2),
        header,
        encode_application_context(pdu.application_context_name),
        *(context.encode() for context in pdu.presentation_contexts),
        pdu.user_information.encode(),
    )


class _Associate(NamedTuple):
    """The fields of an A-ASSOCIATE PDU; its items can come in any order."""

    presentation_contexts: list[Reader]
    user_information: UserInformation
    header: bytes
    application_context_name: str
    protocol_version: int

    @classmethod
    def decode(cls, reader: Reader, context_kind: int) -> _Associate:
        protocol_version = reader.uint16()
        reader.take(2)
        header = reader.take(64)
        names: list[str] = []
        contexts: list[Reader] = []
        users: list[UserInformation] = []
        for kind, item in reader.items():
            if kind == APPLICATION_CONTEXT:
                names.append(encoding.decode_text(item.rest()))
            elif kind == context_kind:
                if len(contexts) < _CONTEXTS:
                    contexts.append(item)
            elif kind == UserInformation.kind:
                users.append(UserInformation.decode(item))
        if len(names) != 1 or len(users) != 1:
            raise encoding.invalid(
                f"{reader.name}: {len(names)} application contexts, {len(users)} user informations"
            )
        return cls(contexts, users[0], header, names[0], protocol_version)


@dataclass(frozen=True, slots=True)
class AAssociateRQ:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2)."""

    kind: ClassVar[int] = 0x01
    pdu_type: ClassVar[int] = kind

    called_ae_title: str
    """Without leading and trailing spaces; so is `calling_ae_title`."""
    calling_ae_title: str
    presentation_contexts: tuple[PresentationContextRQ, ...]
    user_information: UserInformation
    application_context_name: str = uid.APPLICATION_CONTEXT
    protocol_version: int = 1
    """One bit for each version; only bit 0 is defined."""
    raw_header: bytes = field(default=b"", compare=False, repr=False)
    """Bytes 11 to 74 as they were received; empty in a request that is built here."""

    @property
    def presentation_context(self) -> tuple[PresentationContextRQ, ...]:
        """The same as `presentation_contexts`, by pynetdicom's name."""
        return self.presentation_contexts

    @property
    def echo(self) -> bytes:
        """The 64 bytes that an A-ASSOCIATE-AC repeats (PS3.8 9.3.3)."""
        return self.raw_header or self._header

    @property
    def _header(self) -> bytes:
        titles = (self.called_ae_title, self.calling_ae_title)
        return b"".join((*map(encoding.encode_ae_title, titles), bytes(32)))

    def encode(self) -> bytes:
        return _encode_associate(self, self._header)

    @classmethod
    def decode(cls, reader: Reader) -> AAssociateRQ:
        found, user, header, name, version = _Associate.decode(reader, PresentationContextRQ.kind)
        if not found:
            raise encoding.invalid("A-ASSOCIATE-RQ without a presentation context")
        called, calling = map(encoding.decode_ae_title, (header[:16], header[16:32]))
        contexts = tuple(map(PresentationContextRQ.decode, found))
        return cls(called, calling, contexts, user, name, version, header)


@dataclass(frozen=True, slots=True)
class AAssociateAC:
    """A-ASSOCIATE-AC (PS3.8 9.3.3)."""

    kind: ClassVar[int] = 0x02
    pdu_type: ClassVar[int] = kind

    presentation_contexts: tuple[PresentationContextAC, ...]
    user_information: UserInformation
    raw_header: bytes = field(default=bytes(64), repr=False)
    """Bytes 11 to 74: those of the request; their receiver does not test them."""
    application_context_name: str = uid.APPLICATION_CONTEXT
    protocol_version: int = 1

    @property
    def presentation_context(self) -> tuple[PresentationContextAC, ...]:
        """The same as `presentation_contexts`, by pynetdicom's name."""
        return self.presentation_contexts

    @property
    def called_ae_title(self) -> str:
        return encoding.decode_ae_title(self.raw_header[:16])

    @property
    def calling_ae_title(self) -> str:
        return encoding.decode_ae_title(self.raw_header[16:32])

    def encode(self) -> bytes:
        if len(self.raw_header) != 64:
            raise LocalProtocolError("bytes 11 to 74 of an A-ASSOCIATE-AC are 64 bytes")
        return _encode_associate(self, self.raw_header)

    @classmethod
    def decode(cls, reader: Reader) -> AAssociateAC:
        found, user, header, name, version = _Associate.decode(reader, PresentationContextAC.kind)
        contexts = tuple(map(PresentationContextAC.decode, found))
        return cls(contexts, user, header, name, version)


@dataclass(frozen=True, slots=True)
class AAssociateRJ:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    kind: ClassVar[int] = 0x03
    pdu_type: ClassVar[int] = kind

    result: int
    """1 rejected permanently, 2 rejected for now; a peer may send any other number as well."""
    source: int
    """1 service user, 2 service provider (ACSE), 3 service provider (presentation); or other."""
    reason: int
    """Its meaning depends on the source: see `describe`."""

    def encode(self) -> bytes:
        return _pdu(self.kind, bytes((0, self.result, self.source, self.reason)))

    @classmethod
    def decode(cls, reader: Reader) -> AAssociateRJ:
        _, result, source, reason = reader.take(4)
        reader.end()
        return cls(result, source, reason)

    def describe(self) -> str:
        """Return the rejection in the standard's words (PS3.8 table 9-21)."""
        return _REJECTIONS.get((self.source, self.reason), "reserved reason")


_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


@dataclass(frozen=True, slots=True)
class PDV:
    """A presentation data value item (PS3.8 9.3.5.1): one fragment of a message."""

    context_id: int
    command: bool
    """A fragment of the command set; otherwise of the data set."""
    last: bool
    data: bytes

    def encode(self) -> bytes:
        control = COMMAND * self.command | LAST * self.last
        return PDV_HEADER.pack(len(self.data) + 2, self.context_id, control) + self.data

    @classmethod
    def decode(cls, reader: Reader) -> PDV:
        length = reader.uint32()
        if length < 2:
            raise encoding.invalid(f"PDV of length {length}")
        value = reader.take(length)
        return cls(value[0], bool(value[1] & COMMAND), bool(value[1] & LAST), value[2:])


@dataclass(frozen=True, slots=True)
class PDataTF:
    """P-DATA-TF (PS3.8 9.3.5)."""

    kind: ClassVar[int] = 0x04
    pdu_type: ClassVar[int] = kind

    pdvs: tuple[PDV, ...]

    def encode(self) -> bytes:
        return _pdu(self.kind, *(pdv.encode() for pdv in self.pdvs))

    @classmethod
    def decode(cls, reader: Reader) -> PDataTF:
        pdvs = []
        while reader.left:
            pdvs.append(PDV.decode(reader))
        return cls(tuple(pdvs))


@dataclass(frozen=True, slots=True)
class _Release:
    """A PDU of four reserved bytes."""

    kind: ClassVar[int]

    def encode(self) -> bytes:
        return _pdu(self.kind, bytes(4))

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        reader.take(4)
        reader.end()
        return cls()


@dataclass(frozen=True, slots=True)
class AReleaseRQ(_Release):
    """A-RELEASE-RQ (PS3.8 9.3.6)."""

    kind: ClassVar[int] = 0x05
    pdu_type: ClassVar[int] = kind


@dataclass(frozen=True, slots=True)
class AReleaseRP(_Release):
    """A-RELEASE-RP (PS3.8 9.3.7)."""

    kind: ClassVar[int] = 0x06
    pdu_type: ClassVar[int] = kind


@dataclass(frozen=True, slots=True)
class AAbort:
    """A-ABORT (PS3.8 9.3.8). Any values are accepted: an abort is never answered with an error."""

    kind: ClassVar[int] = 0x07
    pdu_type: ClassVar[int] = kind

    source: int
    """0 service user, 2 service provider."""
    reason: int
    """The reason of the service provider: see `describe`."""

    def encode(self) -> bytes:
        return _pdu(self.kind, bytes((0, 0, self.source, self.reason)))

    @classmethod
    def decode(cls, reader: Reader) -> AAbort:
        _, _, source, reason = reader.take(4)
        reader.end()
        return cls(source, reason)

    def describe(self) -> str:
        """Return the abort in the standard's words (PS3.8 table 9-26)."""
        if self.source == 0:
            return "aborted by the service user"
        return _ABORTS.get(self.reason, "reserved reason")


_ABORTS = {
    0: "reason not specified",
    1: "unrecognized PDU",
    2: "unexpected PDU",
    4: "unrecognized PDU parameter",
    5: "unexpected PDU parameter",
    6: "invalid PDU parameter value",
}

PDU: TypeAlias = (
    AAssociateRQ | AAssociateAC | AAssociateRJ | PDataTF | AReleaseRQ | AReleaseRP | AAbort
)

_NAMES_AND_DECODERS: dict[int, tuple[str, Callable[[Reader], PDU]]] = {
    AAssociateRQ.kind: ("A-ASSOCIATE-RQ", AAssociateRQ.decode),
    AAssociateAC.kind: ("A-ASSOCIATE-AC", AAssociateAC.decode),
    AAssociateRJ.kind: ("A-ASSOCIATE-RJ", AAssociateRJ.decode),
    PDataTF.kind: ("P-DATA-TF", PDataTF.decode),
    AReleaseRQ.kind: ("A-RELEASE-RQ", AReleaseRQ.decode),
    AReleaseRP.kind: ("A-RELEASE-RP", AReleaseRP.decode),
    AAbort.kind: ("A-ABORT", AAbort.decode),
}


def pdu_name(kind: int) -> str:
    """Return the standard's name of a PDU type, or its number."""
    return _NAMES_AND_DECODERS[kind][0] if kind in _NAMES_AND_DECODERS else f"PDU {kind:02X}H"


_FOREIGN = {
    PDU_HEADER.unpack(begin): "a PROXY protocol header from a peer that gateway.balancers lacks"
    for begin in (b"PROXY ", b"\r\n\r\n\0\r")
}
"""What other protocols begin with, as type and length of a PDU."""


def check_header(kind: int, length: int, max_pdu: int = 0) -> None:
    """Check the six bytes of a header, before any of the body is stored.

    Raises:
        RemoteProtocolError: unknown type (2,1), or a length that no such PDU has (2,6).
    """
    if kind == PDataTF.kind:
        # The shortest P-DATA-TF contains one empty PDV item.
        good = length >= PDV_HEADER.size and (length <= max_pdu or max_pdu == 0)
    elif kind in (AAssociateRQ.kind, AAssociateAC.kind):
        good = length <= MAX_ASSOCIATE_LENGTH
    elif kind in _NAMES_AND_DECODERS:
        good = length == 4
    else:
        text = _FOREIGN.get((kind, length), f"PDU type {kind:02X}H")
        raise RemoteProtocolError(text, source=2, reason=encoding.UNRECOGNIZED_PDU)
    if not good:
        raise encoding.invalid(f"{pdu_name(kind)} of length {length}")


def decode_pdu(data: bytes) -> PDU:
    """Decode a complete PDU, header included.

    Raises:
        RemoteProtocolError: the bytes are not a PDU; the error carries the A-ABORT to send.
    """
    if len(data) < PDU_HEADER.size:
        raise encoding.invalid(f"a PDU of {len(data)} bytes")
    kind, length = PDU_HEADER.unpack_from(data)
    check_header(kind, length)
    if length != len(data) - PDU_HEADER.size:
        raise encoding.invalid(
            f"{pdu_name(kind)}: length {length}, but {len(data) - 6} bytes follow"
        )
    name, decode = _NAMES_AND_DECODERS[kind]
    return decode(encoding.Reader(bytes(data[PDU_HEADER.size :]), name))

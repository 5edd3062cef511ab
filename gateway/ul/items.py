"""The items and sub-items of A-ASSOCIATE PDUs (PS3.8 9.3.2, 9.3.3, annex D; PS3.7 annex D.3.3).

Each type encodes to the complete item and decodes from a reader of its value. Items of unknown
type, which a later edition of the standard may add, are skipped.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from gateway.ul import encoding

if TYPE_CHECKING:
    from gateway.ul.encoding import Reader

APPLICATION_CONTEXT = 0x10
ABSTRACT_SYNTAX = 0x30
TRANSFER_SYNTAX = 0x40
MAXIMUM_LENGTH = 0x51
IMPLEMENTATION_CLASS_UID = 0x52
IMPLEMENTATION_VERSION_NAME = 0x55

UNSTATED_MAXIMUM_LENGTH = 16 * 1024
"""Used for a peer that does not state its maximum length; every implementation can receive it."""


def encode_application_context(name: str) -> bytes:
    return encoding.item(APPLICATION_CONTEXT, encoding.encode_text(name))


def encode_transfer_syntax(uid: str) -> bytes:
    return encoding.item(TRANSFER_SYNTAX, encoding.encode_text(uid))


@dataclass(frozen=True, slots=True)
class PresentationContextRQ:
    """The requestor's proposal for one context ID (PS3.8 9.3.2.2)."""

    kind: ClassVar[int] = 0x20

    id: int
    """Odd, from 1 to 255; other values are decoded too, so that they can be rejected."""
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]

    def encode(self) -> bytes:
        return encoding.item(
            self.kind,
            bytes((self.id, 0, 0, 0)),
            encoding.item(ABSTRACT_SYNTAX, encoding.encode_text(self.abstract_syntax)),
            *map(encode_transfer_syntax, self.transfer_syntaxes),
        )

    @classmethod
    def decode(cls, reader: Reader) -> PresentationContextRQ:
        context_id = reader.take(4)[0]
        abstract, transfer = [], []
        for kind, value in reader.values():
            if kind == TRANSFER_SYNTAX:
                transfer.append(encoding.decode_text(value))
            elif kind == ABSTRACT_SYNTAX:
                abstract.append(encoding.decode_text(value))
        if len(abstract) != 1:
            raise encoding.invalid(f"context {context_id} has {len(abstract)} abstract syntaxes")
        return cls(context_id, abstract[0], tuple(transfer))


class ContextResult(IntEnum):
    """Result/Reason of a presentation context (PS3.8 table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


_RESULTS = frozenset(ContextResult)


@dataclass(frozen=True, slots=True)
class PresentationContextAC:
    """The acceptor's answer to one proposed context (PS3.8 9.3.3.2)."""

    kind: ClassVar[int] = 0x21

    id: int
    result: int
    """A `ContextResult`, or a reserved number of the peer, which is a rejection."""
    transfer_syntax: str
    """Not significant unless the result is acceptance; empty if a peer accepted with none or more
    than one, so that the context cannot be used."""

    def encode(self) -> bytes:
        return encoding.item(
            self.kind,
            bytes((self.id, 0, self.result, 0)),
            encode_transfer_syntax(self.transfer_syntax),
        )

    @classmethod
    def decode(cls, reader: Reader) -> PresentationContextAC:
        context_id, _, code, _ = reader.take(4)
        syntaxes = [
            encoding.decode_text(value)
            for kind, value in reader.values()
            if kind == TRANSFER_SYNTAX
        ]
        result = ContextResult(code) if code in _RESULTS else code
        return cls(context_id, result, syntaxes[0] if len(syntaxes) == 1 else "")


@dataclass(frozen=True, slots=True)
class AsyncOperationsWindow:
    """Asynchronous operations window (PS3.7 D.3.3.3); 0 is unlimited."""

    kind: ClassVar[int] = 0x53

    invoked: int
    """The number of operations that the requestor may invoke at once."""
    performed: int
    """The number of operations that the requestor may perform at once."""

    def encode(self) -> bytes:
        return encoding.item(
            self.kind, encoding.uint16(self.invoked), encoding.uint16(self.performed)
        )

    @classmethod
    def decode(cls, reader: Reader) -> AsyncOperationsWindow:
        window = cls(reader.uint16(), reader.uint16())
        reader.end()
        return window


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """SCP/SCU role selection (PS3.7 D.3.3.4): the *requestor's* roles, proposed or accepted."""

    kind: ClassVar[int] = 0x54

    sop_class_uid: str
    scu_role: bool
    scp_role: bool

    def encode(self) -> bytes:
        roles = bytes((self.scu_role, self.scp_role))
        return encoding.item(self.kind, encoding.uid(self.sop_class_uid), roles)

    @classmethod
    def decode(cls, reader: Reader) -> RoleSelection:
        value = reader.rest()
        if len(value) < 4 or len(value) != 4 + int.from_bytes(value[:2], "big"):
            raise encoding.invalid(f"{reader.name}: {len(value)} bytes are no UID and two roles")
        return cls(encoding.decode_text(value[2:-2]), value[-2] == 1, value[-1] == 1)


@dataclass(frozen=True, slots=True)
class SopClassExtended:
    """SOP class extended negotiation (PS3.7 D.3.3.5)."""

    kind: ClassVar[int] = 0x56

    sop_class_uid: str
    application_information: bytes

    def encode(self) -> bytes:
        return encoding.item(
            self.kind, encoding.uid(self.sop_class_uid), self.application_information
        )

    @classmethod
    def decode(cls, reader: Reader) -> SopClassExtended:
        return cls(reader.uid(), reader.rest())


@dataclass(frozen=True, slots=True)
class SopClassCommonExtended:
    """SOP class common extended negotiation (PS3.7 D.3.3.6); proposed only, never answered."""

    kind: ClassVar[int] = 0x57

    sop_class_uid: str
    service_class_uid: str
    related_general_sop_classes: tuple[str, ...] = ()

    def encode(self) -> bytes:
        return encoding.item(
            self.kind,
            encoding.uid(self.sop_class_uid),
            encoding.uid(self.service_class_uid),
            encoding.field(b"".join(map(encoding.uid, self.related_general_sop_classes))),
        )

    @classmethod
    def decode(cls, reader: Reader) -> SopClassCommonExtended:
        sop_class, service_class = reader.uid(), reader.uid()
        # A reserved field may follow; it is not tested.
        return cls(sop_class, service_class, tuple(reader.uids()))


@dataclass(frozen=True, slots=True)
class UserIdentityRQ:
    """User identity request (PS3.7 D.3.3.7.1); its fields are secrets."""

    kind: ClassVar[int] = 0x58

    type: int
    """1 username, 2 username and passcode, 3 Kerberos, 4 SAML assertion, 5 JSON web token."""
    positive_response_requested: bool
    primary_field: bytes
    secondary_field: bytes = b""
    """The passcode of type 2, otherwise empty."""

    def encode(self) -> bytes:
        return encoding.item(
            self.kind,
            bytes((self.type, self.positive_response_requested)),
            encoding.field(self.primary_field),
            encoding.field(self.secondary_field),
        )

    @classmethod
    def decode(cls, reader: Reader) -> UserIdentityRQ:
        identity = cls(reader.uint8(), reader.uint8() == 1, reader.field(), reader.field())
        reader.end()
        return identity

    def __repr__(self) -> str:
        return f"UserIdentityRQ(type={self.type}, ...)"


@dataclass(frozen=True, slots=True)
class UserIdentityAC:
    """User identity reply (PS3.7 D.3.3.7.2); its field is a secret."""

    kind: ClassVar[int] = 0x59

    server_response: bytes

    def encode(self) -> bytes:
        return encoding.item(self.kind, encoding.field(self.server_response))

    @classmethod
    def decode(cls, reader: Reader) -> UserIdentityAC:
        identity = cls(reader.field())
        reader.end()
        return identity

    def __repr__(self) -> str:
        return "UserIdentityAC(...)"


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user information item and its sub-items (PS3.8 9.3.2.3, annex D; PS3.7 D.3.3)."""

    kind: ClassVar[int] = 0x50

    maximum_length: int
    """The longest P-DATA-TF that its sender receives, without the PDU header; 0: no limit."""
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    async_ops: AsyncOperationsWindow | None = None
    roles: tuple[RoleSelection, ...] = ()
    sop_class_extended: tuple[SopClassExtended, ...] = ()
    sop_class_common_extended: tuple[SopClassCommonExtended, ...] = ()
    user_identity: UserIdentityRQ | UserIdentityAC | None = None

    def encode(self) -> bytes:
        names = {
            IMPLEMENTATION_CLASS_UID: self.implementation_class_uid,
            IMPLEMENTATION_VERSION_NAME: self.implementation_version_name,
        }
        class_uid, version_name = (
            encoding.item(kind, encoding.encode_text(text)) if text else b""
            for kind, text in names.items()
        )
        return encoding.item(
            self.kind,
            encoding.item(MAXIMUM_LENGTH, encoding.uint32(self.maximum_length)),
            class_uid,
            self.async_ops.encode() if self.async_ops else b"",
            *(role.encode() for role in self.roles),
            version_name,
            *(item.encode() for item in self.sop_class_extended),
            *(item.encode() for item in self.sop_class_common_extended),
            self.user_identity.encode() if self.user_identity else b"",
        )

    @classmethod
    def decode(cls, reader: Reader) -> UserInformation:
        found: dict[int, list[Reader]] = defaultdict(list)
        for kind, item in reader.items():
            found[kind].append(item)
        windows = list(map(AsyncOperationsWindow.decode, found[AsyncOperationsWindow.kind]))
        identities: list[UserIdentityRQ | UserIdentityAC] = []
        identities += map(UserIdentityRQ.decode, found[UserIdentityRQ.kind])
        identities += map(UserIdentityAC.decode, found[UserIdentityAC.kind])
        return cls(
            maximum_length=_decode_maximum_length(found[MAXIMUM_LENGTH]),
            implementation_class_uid=_decode_name(found[IMPLEMENTATION_CLASS_UID]),
            implementation_version_name=_decode_name(found[IMPLEMENTATION_VERSION_NAME]),
            async_ops=windows[-1] if windows else None,
            roles=tuple(map(RoleSelection.decode, found[RoleSelection.kind])),
            sop_class_extended=tuple(map(SopClassExtended.decode, found[SopClassExtended.kind])),
            sop_class_common_extended=tuple(
                map(SopClassCommonExtended.decode, found[SopClassCommonExtended.kind])
            ),
            user_identity=identities[-1] if identities else None,
        )


def _decode_maximum_length(readers: list[Reader]) -> int:
    value = UNSTATED_MAXIMUM_LENGTH
    for reader in readers:
        value = reader.uint32()
        reader.end()
    return value


def _decode_name(readers: list[Reader]) -> str:
    return encoding.decode_text(readers[-1].rest()) if readers else ""

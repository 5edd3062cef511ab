"""The base of all messages: encode the fields of a message class as a command set, and decode.

The fields of a message class *are* its command set: the name of a field names its element in
`gateway.dimse.command_elements`. A field with a default is optional, any other is required.

An optional element of a peer that cannot be decoded says nothing: the default stands in for it. No
request is refused because of its priority or its move originator, and no response is lost because
of a counter or comment.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from gateway.dimse import status as codes
from gateway.dimse.command_elements import (
    ATTRIBUTE_IDENTIFIER_LIST,
    BY_ATTRIBUTE,
    BY_KEYWORD,
    COMMAND_DATA_SET_TYPE,
    COMMAND_FIELD,
    DATA_SET,
    NO_DATA_SET,
    PRIORITY,
    RESPONSE,
    STATUS,
    CommandField,
    Priority,
)
from gateway.dimse.command_set import DECODERS, PeerUid, Value, encode_elements
from gateway.uid import is_tolerable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class DataSet(Enum):
    """Whether a message has a data set."""

    NEVER = 0
    """If a peer sends one, it is received and ignored."""
    ALLOWED = 1
    REQUIRED = 2


class Fault(Exception):  # noqa: N818 - becomes a MessageError or a RemoteProtocolError
    """An element is missing or wrong."""

    def __init__(self, status: int, text: str, *offending: int) -> None:
        super().__init__(text)
        self.status = status
        self.offending = offending


class Parameter(NamedTuple):
    """A field of a message class, and its command element."""

    attribute: str
    tag: int
    keyword: str
    default: Value | None
    """The value if the element is absent or cannot be decoded."""
    required: bool
    decode: Callable[[bytes], Value | None]


class Message:
    """One of the 23 messages."""

    __slots__ = ()
    command_field: ClassVar[CommandField]
    data_set: ClassVar[DataSet] = DataSet.NEVER

    def __init_subclass__(
        cls, command: CommandField | None = None, data_set: DataSet | None = None
    ) -> None:
        if command is not None:
            cls.command_field = command
        if data_set is not None:
            cls.data_set = data_set
        # A slotted dataclass is created twice; the second class replaces the first.
        if "command_field" in cls.__dict__:
            MESSAGES[cls.command_field] = cls

    def encode(self, has_data_set: bool = False) -> bytes:
        """Return the command set; raises LocalProtocolError for a value that cannot be sent."""
        return encode_message(self, self.command_field, has_data_set)

    def parameters(self) -> dict[str, int | str | list[int]]:
        """Return the parameters that are present, by PS3.7 keyword."""
        keywords, values_of = _keywords_of(type(self))
        return {
            keyword: value if type(value) is str or type(value) is int else _plain(value)
            for keyword, value in zip(keywords, values_of(self), strict=False)
            if value is not None
        }


MESSAGES: dict[int, type[Message]] = {}
"""Every message by its command field."""

_PARAMETERS: dict[type, tuple[Parameter, ...]] = {}


def parameters_of(kind: type[Message]) -> tuple[Parameter, ...]:
    """Return the parameters of a message class in the order of its fields."""
    known = _PARAMETERS.get(kind)
    if known is None:
        known = _PARAMETERS[kind] = tuple(_parameters(kind))
    return known


def _parameters(kind: type[Message]) -> Iterator[Parameter]:
    for field in fields(kind):  # type: ignore[arg-type]
        if element := BY_ATTRIBUTE.get(field.name):
            required = field.default is MISSING
            default: Value | None = None if required else field.default  # type: ignore[assignment]
            decode = _PRIORITIES.get if element.tag == PRIORITY else DECODERS[element.vr]
            yield Parameter(field.name, element.tag, element.keyword, default, required, decode)


_PRIORITIES: dict[bytes, int] = {p.to_bytes(2, "little"): int(p) for p in Priority}
"""The priorities by their encoding; any other value has no meaning."""


_KEYWORDS: dict[type, tuple[tuple[str, ...], Callable[[Message], Any]]] = {}


def _keywords_of(kind: type[Message]) -> tuple[tuple[str, ...], Callable[[Message], Any]]:
    """Return the keywords of a message class, and what reads its fields, with one more at the end.

    A getter of a single name would not return a tuple.
    """
    known = _KEYWORDS.get(kind)
    if known is None:
        names = [parameter.attribute for parameter in parameters_of(kind)]
        keywords = tuple(parameter.keyword for parameter in parameters_of(kind))
        known = _KEYWORDS[kind] = keywords, attrgetter(*names, "command_field")
    return known


def encode_message(message: Message, command_field: int, has_data_set: bool) -> bytes:
    """Return the command set of `message` under a command field."""
    elements: list[tuple[int, Value]] = []
    for tag, attribute in _elements_of(type(message)):
        if attribute:
            value = getattr(message, attribute)
        elif tag == COMMAND_FIELD:
            value = command_field
        else:
            value = DATA_SET if has_data_set else NO_DATA_SET
        if value is not None:
            elements.append((tag, value))
    return encode_elements(elements)


_ELEMENTS: dict[type, tuple[tuple[int, str], ...]] = {}


def _elements_of(kind: type[Message]) -> tuple[tuple[int, str], ...]:
    """Return the elements of a message class in the order of their tags, each with its field.

    Command field and data set type have none.
    """
    known = _ELEMENTS.get(kind)
    if known is None:
        pairs = [(parameter.tag, parameter.attribute) for parameter in parameters_of(kind)]
        known = tuple(sorted([*pairs, (COMMAND_FIELD, ""), (COMMAND_DATA_SET_TYPE, "")]))
        _ELEMENTS[kind] = known
    return known


def build(kind: type[Message], raw: dict[int, bytes], *, strict: bool) -> Message:
    """Return a message of class `kind` from raw values by tag; raises Fault.

    `strict` is for requests, whose UIDs must be valid. Those of a response are only logged, or
    compared with what was sent.
    """
    message = kind.__new__(kind)
    for tag, default, required, decode, set_field, parameter in _fields_of(kind):
        encoded = raw.get(tag)
        try:
            value = None if encoded is None else decode(encoded)
        except ValueError as fault:
            if required or (strict and tag == ATTRIBUTE_IDENTIFIER_LIST):
                raise _fault(parameter, str(fault)) from None
            value = None
        if value is None:
            if required:
                raise _fault(parameter, "is missing")
            value = default
        elif strict and type(value) is PeerUid and not is_tolerable(value):
            raise _fault(parameter, "is not a UID")
        set_field(message, value)
    return message


_FIELDS: dict[type, tuple[tuple[Any, ...], ...]] = {}


def _fields_of(kind: type[Message]) -> tuple[tuple[Any, ...], ...]:
    """Return tag, default, required, decoder, setter and parameter of each field.

    The constructor of a frozen class takes more than twice as long as the setters of its slots.
    """
    known = _FIELDS.get(kind)
    if known is None:
        known = _FIELDS[kind] = tuple(
            (p.tag, p.default, p.required, p.decode, getattr(kind, p.attribute).__set__, p)
            for p in parameters_of(kind)
        )
    return known


def _fault(parameter: Parameter, text: str) -> Fault:
    """Return the fault of a parameter; two have a status of their own (PS3.7 C.5.8, PS3.4 C.4.2).

    A destination that is not an AE title is one that nobody knows.
    """
    status = codes.MISTYPED_ARGUMENT
    if "InstanceUID" in parameter.keyword:
        status = codes.INVALID_SOP_INSTANCE
    elif parameter.keyword == "MoveDestination":
        status = codes.MOVE_DESTINATION_UNKNOWN
    return Fault(status, f"{parameter.keyword} {text}", parameter.tag)


def _plain(value: Any) -> int | str | list[int]:
    if isinstance(value, str):
        return str(value)
    return list(value) if isinstance(value, tuple) else int(value)


@dataclass(frozen=True, slots=True)
class Request(Message):
    """A message that gets one or more responses."""

    message_id: int

    @property
    def sop_class_uid(self) -> str:
        """The Affected or Requested SOP Class UID."""
        uid: str = _either(self, "affected_sop_class_uid", "requested_sop_class_uid") or ""
        return uid

    @property
    def sop_instance_uid(self) -> str | None:
        """The Affected or Requested SOP Instance UID, if the request has one."""
        return _either(self, "affected_sop_instance_uid", "requested_sop_instance_uid")

    def response(
        self, status: int, elements: Mapping[str, Any] | None = None, /, **optional: Any
    ) -> Response:
        """Return a response to this request.

        SOP class and instance, and an event or action type, are those of the request. Further
        elements are given by PS3.7 keyword in `elements` or by field name in `optional`; those that
        this response cannot have are left out. A name that no message has raises TypeError.
        """
        kind = MESSAGES[self.command_field | RESPONSE]
        values: dict[str, Any] = {
            "affected_sop_class_uid": self.sop_class_uid,
            "affected_sop_instance_uid": self.sop_instance_uid,
            "event_type_id": getattr(self, "event_type_id", None),
            "action_type_id": getattr(self, "action_type_id", None),
        }
        for name, value in (*(elements or {}).items(), *optional.items()):
            values[_attribute(name)] = value
        values["message_id_being_responded_to"] = self.message_id
        values["status"] = status
        return response_of(kind, values)

    def plain_response(self, status: int) -> bytes:
        """Return the command set of a response that has a status and what it echoes, and no more.

        The same as `response(status).encode()`, in one go: nearly every response is of this kind.
        """
        elements: list[tuple[int, Value]] = []
        for tag, source, constant in _plain_elements(type(self)):
            value = getattr(self, source) if source else status if constant is None else constant
            if value is not None:
                elements.append((tag, value))
        return encode_elements(elements)


_PLAIN: dict[type, tuple[tuple[int, str, int | None], ...]] = {}


def _plain_elements(kind: type[Request]) -> tuple[tuple[int, str, int | None], ...]:
    """Return the elements of a plain response to a request of class `kind`, in order.

    Each is a tag with the field of the request that it echoes, or with a constant, or with neither:
    the status.
    """
    known = _PLAIN.get(kind)
    if known is None:
        sources = {p.attribute: p.attribute for p in parameters_of(kind)}
        sources |= {name.replace("requested_", "affected_"): name for name in sources}
        sources["message_id_being_responded_to"] = "message_id"
        answer = MESSAGES[kind.command_field | RESPONSE]
        echoed = [
            (tag, sources[attribute], None)
            for tag, attribute in _elements_of(answer)
            if attribute in _ECHOED and attribute in sources
        ]
        constants = [
            (COMMAND_FIELD, "", int(answer.command_field)),
            (COMMAND_DATA_SET_TYPE, "", NO_DATA_SET),
        ]
        known = _PLAIN[kind] = tuple(sorted([*echoed, *constants, (STATUS, "", None)]))
    return known


_ECHOED = frozenset(
    (
        "message_id_being_responded_to",
        "affected_sop_class_uid",
        "affected_sop_instance_uid",
        "event_type_id",
        "action_type_id",
    )
)


def _either(request: Request, affected: str, requested: str) -> str | None:
    uid: str | None = getattr(request, affected, None)
    return getattr(request, requested, None) if uid is None else uid


def _attribute(name: str) -> str:
    if name in BY_ATTRIBUTE:
        return name
    if name in BY_KEYWORD:
        return BY_KEYWORD[name].attribute
    raise TypeError(f"no command element is called {name!r}")


def response_of(kind: type[Message], values: Mapping[str, Any]) -> Response:
    """Return a response of class `kind` with those of `values` that it can have."""
    carried = [values.get(parameter.attribute) for parameter in parameters_of(kind)]
    response = kind(*[tuple(v) if isinstance(v, list) else v for v in carried])
    assert isinstance(response, Response)
    return response


@dataclass(frozen=True, slots=True)
class Response(Message):
    """A message that answers a request."""

    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    error_comment: str | None = None

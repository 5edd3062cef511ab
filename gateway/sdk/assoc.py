"""The association that an event has: what was negotiated, and methods that act on it.

The acceptor holds the association and describes it in each envelope, as the map that PROTOCOL.md
calls *assoc*. The description is encoded once for all events in the same state, so it is decoded
once here and the events share the result.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gateway.datasets.coding import any_uid
from gateway.fabric.wire.frames import unpack
from gateway.sdk.command_sender import CommandSender
from gateway.sdk.request_parameters import RequestContext
from gateway.ul.negotiation import AcceptedContext

if TYPE_CHECKING:
    from pydicom.uid import UID

    from gateway.events import CatalogueEvent
    from gateway.sdk.command_sender import SendCommand
    from gateway.sdk.session_commands import AssociationBindings, Handler

_CACHED = 512
_POLL = 0.02
"""Seconds between two looks at whether an association has ended."""


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """The user identity of the requestor (PS3.7 D.3.3.7)."""

    user_id_type: int
    """1 user name, 2 user name and passcode, 3 Kerberos, 4 SAML, 5 JWT."""
    primary_field: bytes
    secondary_field: bytes

    @property
    def user_identity_type(self) -> int:
        """`user_id_type` by pynetdicom's name."""
        return self.user_id_type


class HasMode:
    """The roles of an association or a service user, by its mode: acceptor or requestor."""

    __slots__ = ()
    if TYPE_CHECKING:

        @property
        def mode(self) -> str: ...

    @property
    def is_acceptor(self) -> bool:
        return self.mode == "acceptor"

    @property
    def is_requestor(self) -> bool:
        return self.mode == "requestor"


class Roles(NamedTuple):
    """Roles of the requestor for one SOP class (PS3.7 D.3.3.4)."""

    scu_role: bool
    scp_role: bool


@dataclass(frozen=True, slots=True)
class ServiceUser(HasMode):
    """One side of an association, as its user information says (PS3.7 D.3.3)."""

    mode: str
    """requestor or acceptor."""
    ae_title: str
    address: str | None
    port: int | None
    maximum_length: int
    """The longest P-DATA-TF that this side receives, in bytes; 0: no limit (PS3.8 D.1)."""
    implementation_class_uid: UID | None
    implementation_version_name: str | None
    user_identity: UserIdentity | None
    sop_class_extended: dict[UID, bytes]
    role_selection: dict[UID, Roles]
    """SOP class -> the requestor's (SCU role, SCP role)."""
    asynchronous_operations: tuple[int, int]
    """The maximum numbers of operations invoked and performed; (1, 1) if not negotiated."""
    requested_contexts: list[NegotiatedContext] = field(default_factory=list, repr=False)
    """Of the requestor: what it proposes."""
    supported_contexts: list[Any] = field(default_factory=list, repr=False)
    """Of the acceptor: the contexts of its AE, if that is in this process."""

    @property
    def info(self) -> dict[str, Any]:
        return {
            "ae_title": self.ae_title,
            "address": self.address,
            "port": self.port,
            "mode": self.mode,
            "pdv_size": self.maximum_length,
        }


RESULTS = {
    None: "Pending",
    0: "Accepted",
    1: "User Rejected",
    2: "Provider Rejected",
    3: "Abstract Syntax Not Supported",
    4: "Transfer Syntax(es) Not Supported",
}
"""The results of a presentation context in words (PS3.8 table 9-18)."""


@dataclass(frozen=True, slots=True)
class NegotiatedContext:
    """A presentation context of an association (PS3.8 9.3.3.2)."""

    context_id: int
    abstract_syntax: UID
    transfer_syntax: list[UID]
    """The one that was accepted, or those that were proposed; empty in a rejected context."""
    result: int | None
    """0, accepted, to 4 (PS3.8 table 9-18); None if not decided yet."""
    as_scu: bool = False
    as_scp: bool = False

    @property
    def as_tuple(self) -> RequestContext:
        """The context as `event.context` has it."""
        if not self.transfer_syntax:
            raise ValueError("the context was not negotiated")
        syntax = self.transfer_syntax[0]
        return RequestContext(self.context_id, self.abstract_syntax, syntax)

    @property
    def status(self) -> str:
        """The result in words."""
        return RESULTS.get(self.result, "Unknown")


@dataclass(frozen=True, slots=True)
class LocalAE:
    """This gateway's application entity."""

    ae_title: str


class AssociationProxy(CommandSender, HasMode):
    """An association that an acceptor holds.

    Its attributes are as of the event, but for an end that this process caused. It may be used
    after the handler has returned, and from any thread.
    """

    def __init__(self, values: dict[str, Any], send_command: SendCommand | None = None) -> None:
        super().__init__(send_command)
        self._values = values

    def __repr__(self) -> str:
        return f"<AssociationProxy {self.id} {self.state}>"

    @cached_property
    def id(self) -> str:
        """The name of the association in log lines and events."""
        return str(self._values.get("id", ""))

    @property
    def name(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def acse_timeout(self) -> float | None:
        """The one of its AE, as are the others."""
        return getattr(self.ae, "acse_timeout", None)

    @property
    def dimse_timeout(self) -> float | None:
        return getattr(self.ae, "dimse_timeout", None)

    @property
    def network_timeout(self) -> float | None:
        return getattr(self.ae, "network_timeout", None)

    @property
    def _bindings(self) -> AssociationBindings:
        found = getattr(self._send_command, "bindings", None)
        if found is None:
            raise RuntimeError("handlers of a worker are bound on the Worker, for all associations")
        return cast("AssociationBindings", found)

    def bind(self, event: CatalogueEvent, handler: Handler, args: list[Any] | None = None) -> None:
        """Call `handler(event, *args)` for events of this association alone.

        It has the handlers of its server from then on, and those that it binds itself. Only
        associations of an `AE`'s server can do so; RuntimeError for others.
        """
        self._bindings.bind_on(self.id, event, handler, args)

    def unbind(self, event: CatalogueEvent, handler: Handler) -> None:
        """Stop calling `handler` for `event` on this association."""
        self._bindings.unbind_on(self.id, event, handler)

    def get_handlers(self, event: CatalogueEvent) -> Any:
        """Return the handlers of this association, as the server's `get_handlers` does."""
        return self._bindings.get_handlers_on(self.id, event)

    def get_events(self) -> list[CatalogueEvent]:
        """Return the events that are answered or watched on this association."""
        return self._bindings.get_events_on(self.id)

    def join(self, timeout: float | None = None) -> None:
        """Return when the association has ended, or after `timeout` seconds.

        pynetdicom's association is a thread; this one is held by the acceptor.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self.is_alive() and (end is None or time.monotonic() < end):
            time.sleep(_POLL)

    def kill(self) -> None:
        """Abort the association."""
        self.abort()

    def is_alive(self) -> bool:
        """Tell whether the association is established; pynetdicom's is a thread."""
        return self.is_established

    @cached_property
    def acceptor_name(self) -> str:
        """The name of the acceptor process that holds the association, such as `acceptor-0`."""
        return str(self._values.get("acceptor", ""))

    @property
    def state(self) -> str:
        """`requested`, `established`, `released`, `rejected`, `aborted` and so on."""
        return self._ended or str(self._values.get("state", ""))

    @property
    def mode(self) -> str:
        """The role of this gateway: acceptor or requestor."""
        return str(self._values.get("side", "acceptor"))

    @property
    def local(self) -> tuple[str, int]:
        """(address, port) of this gateway."""
        return address(self._values.get("local"))

    @property
    def remote(self) -> tuple[str, int]:
        """(address, port) of the peer."""
        return address(self._values.get("remote"))

    @property
    def ae(self) -> Any:
        """The application entity of this gateway: the `AE` of a server, or its `ae_title` alone."""
        own = getattr(self._send_command, "ae", None)
        return own if own is not None else LocalAE(str(self._values.get("ae_title", "")))

    @cached_property
    def requestor(self) -> ServiceUser:
        said = _service_user("requestor", self._values.get("requestor"))
        return replace(said, requested_contexts=self.requested_contexts)

    @cached_property
    def acceptor(self) -> ServiceUser:
        said = _service_user("acceptor", self._values.get("acceptor_info"))
        return replace(said, supported_contexts=list(getattr(self.ae, "supported_contexts", ())))

    @cached_property
    def requested_contexts(self) -> list[NegotiatedContext]:
        """The contexts that the A-ASSOCIATE-RQ proposes."""
        return [
            NegotiatedContext(context_id, any_uid(abstract), [any_uid(t) for t in transfer], None)
            for context_id, abstract, transfer in self._values.get("requested_contexts", ())
        ]

    @cached_property
    def accepted_contexts(self) -> list[NegotiatedContext]:
        """The contexts that were accepted, with this gateway's roles."""
        return [
            NegotiatedContext(context_id, any_uid(abstract), [any_uid(transfer)], 0, scu, scp)
            for context_id, abstract, transfer, scu, scp in self._values.get(
                "accepted_contexts", ()
            )
        ]

    @cached_property
    def _usable_contexts(self) -> list[AcceptedContext]:
        return [AcceptedContext(*values) for values in self._values.get("accepted_contexts", ())]

    def usable_contexts(self) -> list[AcceptedContext]:
        return self._usable_contexts

    @cached_property
    def rejected_contexts(self) -> list[NegotiatedContext]:
        """The contexts that were rejected, without transfer syntaxes."""
        return [
            NegotiatedContext(context_id, any_uid(abstract), [], result)
            for context_id, abstract, result in self._values.get("rejected_contexts", ())
        ]

    @property
    def is_established(self) -> bool:
        return self.state == "established"

    @property
    def is_released(self) -> bool:
        return self.state == "released"

    @property
    def is_aborted(self) -> bool:
        return self.state == "aborted"

    @property
    def is_rejected(self) -> bool:
        return self.state == "rejected"


@lru_cache(maxsize=_CACHED)
def decode(blob: bytes, send_command: SendCommand | None = None) -> AssociationProxy:
    """Return the association that an envelope describes; b"" describes an unknown one.

    `send_command` is what its requests, release and abort go through.
    """
    values = unpack(blob) if blob else {}
    return AssociationProxy(values if isinstance(values, dict) else {}, send_command)


def address(pair: Any) -> tuple[str, int]:
    return (str(pair[0]), int(pair[1])) if pair else ("", 0)


def _service_user(mode: str, values: dict[str, Any] | None) -> ServiceUser:
    said = values or {}
    class_uid = said.get("implementation_class_uid")
    invoked, performed = said.get("asynchronous_operations") or (1, 1)
    return ServiceUser(
        mode=mode,
        ae_title=said.get("ae_title") or "",
        address=said.get("address"),
        port=said.get("port"),
        maximum_length=said.get("maximum_length") or 0,
        implementation_class_uid=any_uid(class_uid) if class_uid else None,
        implementation_version_name=said.get("implementation_version_name"),
        user_identity=_user_identity(said.get("user_identity")),
        sop_class_extended={
            any_uid(k): v for k, v in (said.get("sop_class_extended") or {}).items()
        },
        role_selection={
            any_uid(sop_class): Roles(bool(scu), bool(scp))
            for sop_class, (scu, scp) in (said.get("role_selection") or {}).items()
        },
        asynchronous_operations=(invoked, performed),
    )


def _user_identity(values: dict[str, Any] | None) -> UserIdentity | None:
    if not values:
        return None
    return UserIdentity(
        values["type"], values.get("primary") or b"", values.get("secondary") or b""
    )

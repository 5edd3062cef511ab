"""A simulated peer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypedDict

from gateway.datasets.coding import decode
from gateway.fabric import Answer
from gateway.fabric.wire.frames import pack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydicom.dataset import Dataset


@dataclass
class Peer:
    """The other side of the association: its properties, and what the handler did to it."""

    ae_title: str = "SCU"
    called_ae_title: str = "GATEWAY"
    address: str = "127.0.0.1"
    port: int = 50_000
    maximum_length: int = 16_384
    implementation_class_uid: str = "1.2.3.4"
    implementation_version_name: str | None = "PEER"
    user_identity: tuple[int, bytes] | None = None
    """Type and primary field."""
    sop_class_extended: Mapping[str, bytes] = field(default_factory=dict)
    sop_class_extended_answer: Mapping[str, bytes] = field(default_factory=dict)
    """The response of the gateway to that."""
    role_selection: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    asynchronous_operations: tuple[int, int] | None = None
    contexts: Sequence[tuple[str, str]] = ()
    """Abstract and transfer syntaxes of more accepted contexts, with both roles for the handler."""
    status: int = 0x0000
    """The status of its responses to the handler's requests and to sub-operations."""

    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Notifications of the handler: topic and body."""
    requests: list[tuple[str, dict[str, Any], Dataset | None]] = field(default_factory=list)
    """Requests of the handler: name of the message as `CStoreRQ`, parameters, data set."""
    ended: str = ""
    """The way in which the handler ended the association: `abort` or `release`."""

    _syntaxes: dict[int, str] = field(default_factory=dict, init=False, repr=False)
    """Transfer syntaxes by context."""

    def describe(self, context: Sequence[str] = (), more: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return the association as the acceptor encodes it; `context` is that of a request.

        `more`: contexts for a peer that was given none.
        """
        party = {
            "address": self.address,
            "port": self.port,
            "maximum_length": self.maximum_length,
            "implementation_class_uid": self.implementation_class_uid,
            "implementation_version_name": self.implementation_version_name,
        }
        requestor = {
            **party,
            "ae_title": self.ae_title,
            "user_identity": _identity(self.user_identity),
            "sop_class_extended": dict(self.sop_class_extended),
            "role_selection": {uid: list(roles) for uid, roles in self.role_selection.items()},
            "asynchronous_operations": self.asynchronous_operations,
        }
        accepted = self._accepted(context, self.contexts or more)
        return pack(
            {
                "id": secrets.token_hex(6),
                "acceptor": "acceptor-0",
                "side": "acceptor",
                "local": ["127.0.0.1", 11112],
                "remote": [self.address, self.port],
                "ae_title": self.called_ae_title,
                "state": "established" if context else "requested",
                "requestor": requestor,
                "acceptor_info": {
                    **party,
                    "ae_title": self.called_ae_title,
                    "sop_class_extended": dict(self.sop_class_extended_answer),
                },
                "requested_contexts": [[id_, uid, [syntax]] for id_, uid, syntax, *_ in accepted],
                "accepted_contexts": accepted if context else [],
            }
        )

    def call(
        self,
        acceptor: str,  # noqa: ARG002 - the fabric's
        association: str,  # noqa: ARG002 - the fabric's
        operation: str,
        payload: dict[str, Any],
        *,
        data: bytes | memoryview | None = None,
        timeout: float,  # noqa: ARG002 - the fabric's
    ) -> PeerResults:
        """Perform a command as the acceptor does."""
        if operation != "request":
            self.ended = operation
            return PeerResults(Answer({}))
        syntax = self._syntaxes[payload["context_id"]]
        attached = None if data is None else decode(bytes(data), syntax)
        self.requests.append((payload["kind"], payload["parameters"], attached))
        return PeerResults(Answer({"status": self.status, "response": {}}))

    def publish(self, topic: str, body: dict[str, Any]) -> None:
        self.published.append((topic, body))

    def _accepted(self, context: Sequence[str], more: Sequence[tuple[str, str]]) -> list[list[Any]]:
        pairs = [tuple(context)] if context else []
        pairs += [tuple(pair) for pair in more]
        self._syntaxes = {2 * n + 1: str(pair[1]) for n, pair in enumerate(pairs)}
        return [
            [2 * number + 1, str(abstract), str(transfer), number > 0, True]
            for number, (abstract, transfer) in enumerate(pairs)
        ]


class PeerResults:
    """The results of a command, which are there at once."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = iter(answers)

    def __iter__(self) -> Iterator[Answer]:
        return self

    def __next__(self) -> Answer:
        return next(self._answers)

    def close(self) -> None:
        self._answers = iter(())


class SimulatedPeerOptions(TypedDict, total=False):
    """Keywords of every function that calls a handler: its arguments, and the peer."""

    args: Sequence[Any]
    """The arguments after the event of a handler without a worker."""
    peer: Peer
    """The peer; without it, one is made of the keywords below."""
    ae_title: str
    called_ae_title: str
    address: str
    port: int
    maximum_length: int
    implementation_class_uid: str
    implementation_version_name: str | None
    user_identity: tuple[int, bytes] | None
    sop_class_extended: Mapping[str, bytes]
    sop_class_extended_answer: Mapping[str, bytes]
    role_selection: Mapping[str, tuple[bool, bool]]
    asynchronous_operations: tuple[int, int] | None
    contexts: Sequence[tuple[str, str]]
    status: int


def args_and_peer(how: SimulatedPeerOptions) -> tuple[Sequence[Any], Peer]:
    """Return a handler's arguments and the peer; raises TypeError for an unknown keyword."""
    given: dict[str, Any] = dict(how)
    args, peer = given.pop("args", ()), given.pop("peer", None)
    if peer is None:
        return args, Peer(**given)
    if given:
        known = {f.name for f in fields(Peer)}
        named = ", ".join(sorted(given.keys() & known) or sorted(given))
        raise TypeError(f"{named}: set it in the Peer that is given")
    return args, peer


def _identity(identity: tuple[int, bytes] | None) -> dict[str, Any] | None:
    return None if identity is None else {"type": identity[0], "primary": identity[1]}

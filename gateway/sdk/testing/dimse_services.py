"""The DIMSE services (PS3.7 9.1, 10.1): send a request, and return the response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from gateway import events
from gateway.datasets import UNCOMPRESSED
from gateway.dimse import message as dimse
from gateway.part10 import file_meta
from gateway.sdk.testing.simulated_peer import SimulatedPeerOptions, args_and_peer
from gateway.sdk.testing.simulated_request import SimulatedRequest, instance_of, spooled
from gateway.sdk.testing.simulated_retrieval import Retrieval, SimulatedGet, SimulatedRoutes
from gateway.uid import KEYWORDS, STORAGE_SOP_CLASSES, VERIFICATION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from pydicom.dataset import Dataset

    from gateway.sdk.bound_handler import AnyHandler
    from gateway.sdk.worker_definition import Worker

    Handler = Worker | AnyHandler
    Pair = tuple[int, Dataset | None]

_FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
_GET = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]
_MOVE = KEYWORDS["StudyRootQueryRetrieveInformationModelMove"]
_COMMITMENT = KEYWORDS["StorageCommitmentPushModel"]
STORAGE = tuple((uid, syntax) for uid in STORAGE_SOP_CLASSES for syntax in UNCOMPRESSED)
"""The contexts of the peer of a C-GET by default."""


# DIMSE-C (PS3.7 9.1)


def echo(handler: Handler, **how: Unpack[SimulatedPeerOptions]) -> int:
    """Send a C-ECHO; return the status."""
    asked = SimulatedRequest(events.EVT_C_ECHO, dimse.CEchoRQ(1, VERIFICATION), VERIFICATION)
    return asked.status(handler, *args_and_peer(how))


def store(
    handler: Handler,
    instance: Dataset | str | PathLike[str],
    *,
    attempt: int = 1,
    **how: Unpack[SimulatedPeerOptions],
) -> int:
    """Send a data set or a DICOM file by C-STORE; return the status.

    The handler finds it as it would in a gateway: up to 64 KiB in memory, above that as a spool
    file of its own, which it may take. `attempt`: 2 if a worker died with the request in hand.
    """
    sop_class, uid, syntax, encoded = instance_of(instance)
    request = dimse.CStoreRQ(1, sop_class, uid, 2)
    asked = SimulatedRequest(events.EVT_C_STORE, request, sop_class, syntax, attempt=attempt)
    args, peer = args_and_peer(how)
    whole = file_meta(sop_class, uid, syntax, source_ae_title=peer.ae_title) + encoded
    with spooled(whole, len(whole) - len(encoded)) as (claim, data):
        return asked.status(handler, args, peer, data, {"claim": claim.to_map()})


def find(
    handler: Handler,
    identifier: Dataset,
    *,
    sop_class: str = _FIND,
    cancel_after: int | None = None,
    **how: Unpack[SimulatedPeerOptions],
) -> list[Pair]:
    """Send a C-FIND; return every response as (status, match or None), the final one last.

    Matches are what the peer decodes. `cancel_after`: send a C-CANCEL after this many responses.
    """
    asked = SimulatedRequest(events.EVT_C_FIND, dimse.CFindRQ(1, sop_class, 2), sop_class)
    answers = asked.answers(
        handler, *args_and_peer(how), asked.encode(identifier), cancel_after=cancel_after
    )
    return [asked.pair(answer) for answer in answers]


def get(
    handler: Handler,
    identifier: Dataset,
    *,
    sop_class: str = _GET,
    cancel_after: int | None = None,
    **how: Unpack[SimulatedPeerOptions],
) -> Retrieval:
    """Send a C-GET; return what was sent, and the final response.

    The peer accepts `Peer.contexts`; if there are none, every storage SOP class, in uncompressed
    transfer syntaxes. It answers each C-STORE with `Peer.status`.
    """
    asked = SimulatedRequest(
        events.EVT_C_GET, dimse.CGetRQ(1, sop_class, 2), sop_class, more=STORAGE
    )
    args, peer = args_and_peer(how)
    answers = asked.answers(
        handler, args, peer, asked.encode(identifier), cancel_after=cancel_after
    )
    return SimulatedGet(asked, peer).result(answers)


def move(
    handler: Handler,
    identifier: Dataset,
    destination: str = "DESTINATION",
    *,
    sop_class: str = _MOVE,
    destinations: Mapping[str, tuple[str, int]] | None = None,
    cancel_after: int | None = None,
    **how: Unpack[SimulatedPeerOptions],
) -> Retrieval:
    """Send a C-MOVE to the AE title `destination`; return what was sent, and the final response.

    `destinations` is the table of the configuration, for handlers that yield a name. No connection
    is made: every destination accepts everything, and answers with `Peer.status`.
    """
    asked = SimulatedRequest(
        events.EVT_C_MOVE, dimse.CMoveRQ(1, sop_class, destination, 2), sop_class
    )
    args, peer = args_and_peer(how)
    routes = SimulatedRoutes(peer, destinations or {})
    answers = asked.answers(
        handler, args, peer, asked.encode(identifier), cancel_after=cancel_after, routes=routes
    )
    return routes.result(asked, answers)


# DIMSE-N (PS3.7 10.1)


def n_action(
    handler: Handler,
    information: Dataset | None,
    action_type: int = 1,
    sop_class: str = _COMMITMENT,
    instance: str = "1.2.840.10008.1.20.1.1",
    **how: Unpack[SimulatedPeerOptions],
) -> Pair:
    """Send an N-ACTION; return status and action reply."""
    request = dimse.NActionRQ(1, sop_class, instance, action_type)
    asked = SimulatedRequest(events.EVT_N_ACTION, request, sop_class)
    return asked.answer(handler, *args_and_peer(how), information)


def n_create(
    handler: Handler,
    attributes: Dataset | None,
    sop_class: str,
    instance: str | None = None,
    **how: Unpack[SimulatedPeerOptions],
) -> Pair:
    """Send an N-CREATE; return status and attribute list."""
    asked = SimulatedRequest(
        events.EVT_N_CREATE, dimse.NCreateRQ(1, sop_class, instance), sop_class
    )
    return asked.answer(handler, *args_and_peer(how), attributes)


def n_delete(
    handler: Handler, sop_class: str, instance: str, **how: Unpack[SimulatedPeerOptions]
) -> int:
    """Send an N-DELETE; return the status."""
    asked = SimulatedRequest(
        events.EVT_N_DELETE, dimse.NDeleteRQ(1, sop_class, instance), sop_class
    )
    return asked.status(handler, *args_and_peer(how))


def n_event_report(
    handler: Handler,
    information: Dataset | None,
    event_type: int = 1,
    sop_class: str = _COMMITMENT,
    instance: str = "1.2.840.10008.1.20.1.1",
    **how: Unpack[SimulatedPeerOptions],
) -> Pair:
    """Send an N-EVENT-REPORT; return status and event reply."""
    request = dimse.NEventReportRQ(1, sop_class, instance, event_type)
    asked = SimulatedRequest(events.EVT_N_EVENT_REPORT, request, sop_class)
    return asked.answer(handler, *args_and_peer(how), information)


def n_get(
    handler: Handler,
    tags: Sequence[int],
    sop_class: str,
    instance: str,
    **how: Unpack[SimulatedPeerOptions],
) -> Pair:
    """Send an N-GET of the attributes with these tags; return status and attribute list."""
    request = dimse.NGetRQ(1, sop_class, instance, tuple(int(tag) for tag in tags) or None)
    asked = SimulatedRequest(events.EVT_N_GET, request, sop_class)
    return asked.answer(handler, *args_and_peer(how), None)


def n_set(
    handler: Handler,
    modifications: Dataset,
    sop_class: str,
    instance: str,
    **how: Unpack[SimulatedPeerOptions],
) -> Pair:
    """Send an N-SET; return status and attribute list."""
    asked = SimulatedRequest(events.EVT_N_SET, dimse.NSetRQ(1, sop_class, instance), sop_class)
    return asked.answer(handler, *args_and_peer(how), modifications)

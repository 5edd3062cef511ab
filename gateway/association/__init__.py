"""An association after its transport connection was opened, in either role.

Acceptor and requestor differ in how an association comes about. From then on DICOM is symmetric:
both sides may send requests, both answer those of the peer, both may release or abort. So one
engine serves both, and what differs is behind `Port`.

    transport        asyncio protocol: reads into one buffer, writes, pauses, drives the UpperLayer
    turns            a peer that sends more than a turn's work lets others go first
    engine           the life of the association: phases, release, abort, and the one `end`
    inbox            requests of the peer: received, queued, performed within the window
    operations_in_flight  requests of this side: window, message IDs, responses (operation)
    outbox           messages out, one after the other (PS3.8 annex E forbids to mix fragments)
    timers           silence of the peer: ACSE, DIMSE and network timeouts in one timer
    notify           what watchers are told; description: how workers are told of an association
"""

from typing import NoReturn

_FACADE = frozenset({"Association", "ServiceUser", "MODE_ACCEPTOR", "MODE_REQUESTOR"})


def __getattr__(name: str) -> NoReturn:
    if name in _FACADE:  # pynetdicom has them in its module of this name
        raise ImportError(
            f"gateway.association has no {name}: use `from gateway import Association`, and the "
            "is_requestor, requestor and acceptor of an association"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The 28 actions: what each sends, issues, and does to ARTIM and the transport connection."""

from __future__ import annotations

import pytest

from gateway.errors import RemoteProtocolError
from gateway.ul.actions import ACTIONS, Artim, Issue, Send
from gateway.ul.fsm import Action, Closing, State
from gateway.ul.pdu import AAbort, AAssociateRJ, AReleaseRP, AReleaseRQ, decode_pdu
from gateway.ul.primitives import (
    AAbortIndication,
    AAbortRequest,
    AAssociateAccept,
    AAssociateConfirmation,
    AAssociateIndication,
    AAssociateReject,
    APAbortIndication,
    AReleaseConfirmation,
    AReleaseIndication,
    Origin,
)
from gateway.ul.upper_layer import Side
from tests.ul import support as s

OLD = decode_pdu(s.associate_rq(version=2))
REJECTION = AAssociateRJ(2, 3, 1)
ERROR = RemoteProtocolError("what was wrong", source=2, reason=6)
A, R = Side.ACCEPTOR, Side.REQUESTOR
ENDS = (Artim.START, Closing.SHUTDOWN)
TRANSPORT_CLOSED = APAbortIndication(0, Origin.TRANSPORT, "the transport connection closed")

OUTCOMES = [
    ("AE-1", None, R, 4, ()),
    ("AE-2", s.REQUEST, R, 5, (Send(s.REQUEST),)),
    ("AE-3", s.ACCEPTANCE, R, 6, (Issue(AAssociateConfirmation(s.ACCEPTANCE)),)),
    ("AE-4", REJECTION, R, 1, (Issue(AAssociateConfirmation(REJECTION)), Closing.CLOSE)),
    ("AE-5", None, A, 2, (Artim.START,)),
    ("AE-6", s.REQUEST, A, 3, (Artim.STOP, Issue(AAssociateIndication(s.REQUEST)))),
    ("AE-6", OLD, A, 13, (Artim.STOP, Send(AAssociateRJ(1, 2, 2)), *ENDS)),
    ("AE-7", AAssociateAccept(s.ACCEPTANCE), A, 6, (Send(s.ACCEPTANCE),)),
    ("AE-8", AAssociateReject(REJECTION), A, 13, (Send(REJECTION), *ENDS)),
    ("DT-1", None, A, 6, ()),
    ("DT-2", None, A, 6, ()),
    ("AR-1", None, A, 7, (Send(AReleaseRQ()),)),
    ("AR-2", AReleaseRQ(), A, 8, (Issue(AReleaseIndication()),)),
    ("AR-3", AReleaseRP(), A, 1, (Issue(AReleaseConfirmation()), Closing.CLOSE)),
    ("AR-4", None, A, 13, (Send(AReleaseRP()), *ENDS)),
    ("AR-5", None, A, 1, (Artim.STOP, Closing.CLOSE)),
    ("AR-6", None, A, 7, ()),
    ("AR-7", None, A, 8, ()),
    ("AR-8", AReleaseRQ(), R, 9, (Issue(AReleaseIndication()),)),
    ("AR-8", AReleaseRQ(), A, 10, (Issue(AReleaseIndication()),)),
    ("AR-9", None, R, 11, (Send(AReleaseRP()),)),
    ("AR-10", AReleaseRP(), A, 12, (Issue(AReleaseConfirmation()),)),
    ("AA-1", AAbortRequest(), A, 13, (Send(AAbort(0, 0)), *ENDS)),
    ("AA-1", AAbortRequest(2, 5), A, 13, (Send(AAbort(2, 5)), *ENDS)),
    ("AA-1", ERROR, A, 13, (Send(AAbort(0, 0)), *ENDS)),
    ("AA-2", None, A, 1, (Artim.STOP, Closing.CLOSE)),
    ("AA-3", AAbort(0, 9), A, 1, (Issue(AAbortIndication(0, 9)), Closing.CLOSE)),
    (
        *("AA-3", AAbort(2, 2), A, 1),
        (Issue(APAbortIndication(2, Origin.PEER, "unexpected PDU")), Closing.CLOSE),
    ),
    ("AA-4", None, A, 1, (Issue(TRANSPORT_CLOSED), Closing.CLOSE)),
    ("AA-5", None, A, 1, (Artim.STOP, Closing.CLOSE)),
    ("AA-6", None, A, 13, ()),
    ("AA-7", ERROR, A, 13, (Send(AAbort(2, 6)),)),
    (
        *("AA-8", ERROR, A, 13),
        (
            Send(AAbort(2, 6)),
            Issue(APAbortIndication(6, Origin.LOCAL, "what was wrong")),
            *ENDS,
        ),
    ),
]


@pytest.mark.parametrize(("action", "cause", "side", "state", "effects"), OUTCOMES)
def test_outcome(action, cause, side, state, effects):
    assert ACTIONS[Action(action)](cause, side) == (State(state), effects)


def test_every_action_is_tested():
    assert {Action(action) for action, *_ in OUTCOMES} == set(Action) == set(ACTIONS)


STARTS = {"AE-5", "AE-8", "AR-4", "AA-1", "AA-8"}
STOPS = {"AA-2", "AA-5", "AR-5"}


@pytest.mark.parametrize(("action", "cause", "side", "state", "effects"), OUTCOMES)
def test_artim(action, cause, side, state, effects):
    artim = [effect for effect in effects if isinstance(effect, Artim)]
    expected = [Artim.START] if action in STARTS else [Artim.STOP] if action in STOPS else []
    if action == "AE-6":
        expected = [Artim.STOP, Artim.START] if state == 13 else [Artim.STOP]
    assert artim == expected

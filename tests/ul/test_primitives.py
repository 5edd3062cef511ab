"""The upper layer service's primitives."""

from __future__ import annotations

from typing import get_args

import pytest

from gateway.errors import LocalProtocolError
from gateway.ul import primitives as p
from gateway.ul.pdu import AAssociateRJ
from tests.ul import support as s

REQUESTS = [
    p.AAssociateRequest(s.REQUEST),
    p.TransportConnected(),
    p.AAssociateAccept(s.ACCEPTANCE),
    p.AAssociateReject(AAssociateRJ(1, 1, 1)),
    p.AReleaseRequest(),
    p.AReleaseResponse(),
    p.AAbortRequest(),
]


def test_a_confirmation_is_one_of_two():
    rejection = AAssociateRJ(1, 1, 1)
    accepted, rejected = p.AAssociateConfirmation(s.ACCEPTANCE), p.AAssociateConfirmation(rejection)
    assert (accepted.accepted, accepted.rejected) == (s.ACCEPTANCE, None)
    assert (rejected.accepted, rejected.rejected) == (None, rejection)


def test_every_request_has_its_event():
    assert {type(request) for request in REQUESTS} == set(get_args(p.Request))
    association = s.acceptor()
    for request in REQUESTS:
        with pytest.raises(LocalProtocolError, match="in Sta2"):
            association.send(request, 1.0)

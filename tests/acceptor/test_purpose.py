"""Associations are turned away only if nothing that they are for can be done at present."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.acceptor.purpose import cannot_be_served_yet, only_stores
from gateway.ul.items import RoleSelection, UserInformation
from gateway.ul.negotiation import build_request
from tests.peers import wire

if TYPE_CHECKING:
    from gateway.ul.pdu import AAssociateRQ

CT, ECHO = wire.CT, wire.VERIFICATION
FIND, GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
PRIVATE = "1.2.826.0.1.3680043.10.999.7"


def request(*classes: str, as_scp: tuple[str, ...] = ()) -> AAssociateRQ:
    roles = tuple(RoleSelection(uid, False, True) for uid in as_scp)
    user = UserInformation(16384, "1.2", roles=roles)
    return build_request("GATEWAY", "PEER", [(uid, (wire.IMPLICIT,)) for uid in classes], user)


class Workers:
    """Which events are held and lost, and whether a configured worker was never there."""

    def __init__(
        self,
        *held: str,
        lost: tuple[str, ...] = (),
        awaits: bool = False,
        without: tuple[str, ...] = (),
    ) -> None:
        self.held, self.lost, self.awaits_workers = held, lost, awaits
        self.without = without

    def is_held(self, event: str) -> bool:
        return event in self.held

    def serves(self, event: str, sop_class: str | None) -> bool:
        return self.is_held(event) and sop_class not in self.without

    def is_lost(self, event: str) -> bool:
        return event in self.lost


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (request(CT), True),
        (request(CT, ECHO), True),
        (request(PRIVATE), True),
        (request(ECHO), False),
        (request(CT, FIND), False),
        (request(GET, CT, as_scp=(CT,)), False),
        (request(CT, as_scp=(CT,)), False),
    ],
)
def test_what_only_stores(asked: AAssociateRQ, expected: bool) -> None:
    assert only_stores(asked) is expected


STORE = "EVT_C_STORE"


@pytest.mark.parametrize(
    ("asked", "workers", "expected"),
    [
        pytest.param(request(CT), Workers(awaits=True), True, id="before the first registration"),
        pytest.param(request(CT, ECHO), Workers(awaits=True), True, id="Verification beside it"),
        pytest.param(request(ECHO), Workers(awaits=True), False, id="Verification alone"),
        pytest.param(request(CT), Workers(), False, id="nobody is configured for it"),
        pytest.param(request(CT), Workers(STORE, awaits=True), False, id="others are awaited"),
        pytest.param(request(CT), Workers(lost=(STORE,)), True, id="it did not come back"),
        pytest.param(request(FIND), Workers(lost=(STORE,)), False, id="another did not"),
        pytest.param(request(CT, FIND), Workers(STORE, awaits=True), False, id="a mixed one"),
        pytest.param(request(CT, FIND), Workers(awaits=True), True, id="neither of both"),
        pytest.param(
            request(FIND),
            Workers("EVT_C_FIND", awaits=True, without=(FIND,)),
            True,
            id="the event is held for another class",
        ),
        pytest.param(request(CT, as_scp=(CT,)), Workers(awaits=True), False, id="as SCP"),
    ],
)
def test_what_cannot_be_served_yet(asked: AAssociateRQ, workers: Workers, expected: bool) -> None:
    assert cannot_be_served_yet(asked, workers) is expected

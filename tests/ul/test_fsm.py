"""Table 9-10 against a transcription of its own, cell by cell: as data, and as it is lived."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.errors import LocalProtocolError
from gateway.ul.fsm import TABLE, Action, FsmEvent, State, Transition
from gateway.ul.pdu import AAssociateRJ
from gateway.ul.primitives import (
    AAbortRequest,
    AAssociateAccept,
    AAssociateReject,
    AAssociateRequest,
    AReleaseRequest,
    AReleaseResponse,
    TransportConnected,
)
from gateway.ul.upper_layer import Side, UpperLayer
from tests.ul import support as s

VECTORS = Path(__file__).parent.parent / "vectors" / "ul_table_9_10.csv"


class Cell(NamedTuple):
    event: int
    state: int
    action: str
    next_states: tuple[int, ...]

    def __str__(self) -> str:
        return f"Evt{self.event}-Sta{self.state}"


def read_cells() -> list[Cell]:
    with VECTORS.open() as file:
        return [
            Cell(
                int(row["event"]),
                int(row["state"]),
                row["action"],
                tuple(map(int, filter(None, row["next_state"].split("|")))),
            )
            for row in csv.DictReader(file)
        ]


CELLS = read_cells()


def test_the_vectors_have_every_cell():
    assert len(CELLS) == 13 * 19
    assert {(c.event, c.state) for c in CELLS} == {
        (e, state) for e in range(1, 20) for state in range(1, 14)
    }
    assert sum(1 for c in CELLS if c.action) == 123


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cell(cell):
    action = TABLE[FsmEvent(cell.event)].get(State(cell.state))
    assert (str(action) if action else "") == cell.action


def test_every_action_has_a_cell():
    assert {action for row in TABLE.values() for action in row.values()} == set(Action)
    assert len(Action) == 28


def test_names_are_printed_as_in_the_standard():
    assert f"{State.Sta6} {FsmEvent.Evt10} {Action.DT_2}" == "Sta6 Evt10 DT-2"


REQUESTS = {
    1: AAssociateRequest(s.REQUEST),
    2: TransportConnected(),
    7: AAssociateAccept(s.ACCEPTANCE),
    8: AAssociateReject(AAssociateRJ(1, 1, 1)),
    11: AReleaseRequest(),
    14: AReleaseResponse(),
    15: AAbortRequest(),
}
PDUS = {
    3: s.ACCEPTANCE.encode(),
    4: s.REJECT,
    6: s.GOOD_RQ,
    10: s.p_data(s.pdv(1, 3, b"12")),
    12: s.RELEASE_RQ,
    13: s.RELEASE_RP,
    16: s.ABORT_BY_USER,
    19: s.UNKNOWN,
}


def cause(association: UpperLayer, event: int) -> None:
    if event in REQUESTS:
        association.send(REQUESTS[event], 5.0)
    elif event in PDUS:
        association.receive_data(PDUS[event], 5.0)
    elif event == 9:
        association.send_pdata(PDUS[10], 5.0)
    elif event == 17:
        association.receive_eof(5.0)
    else:
        association.handle_deadline(1e6)


LIVED = [
    pytest.param(cell, side, id=f"{cell}-{side.value}")
    for cell in CELLS
    for side, states in (
        (Side.ACCEPTOR, s.ACCEPTOR_STATES),
        (Side.REQUESTOR, s.REQUESTOR_STATES),
    )
    # Evt5 is what makes an acceptor's association.
    if cell.state in states and cell.event != 5
]


@pytest.mark.parametrize(("cell", "side"), LIVED)
def test_cell_is_lived(cell, side):
    association = s.reach(cell.state, side)
    if not cell.action:
        check_blank(association, cell)
        return
    cause(association, cell.event)
    (transition,) = association.take_trace()
    assert transition == Transition(
        State(cell.state), FsmEvent(cell.event), Action(cell.action), association.state
    )
    assert association.state in cell.next_states


def check_blank(association: UpperLayer, cell: Cell) -> None:
    """A blank cell raises if the user asked for it, and can otherwise not be reached."""
    before = association.state
    if cell.event in REQUESTS or cell.event == 9:
        with pytest.raises(LocalProtocolError, match=f"Evt{cell.event} .*Sta{cell.state}"):
            cause(association, cell.event)
    elif cell.event in PDUS and association.side is Side.REQUESTOR:
        with pytest.raises(LocalProtocolError):
            cause(association, cell.event)
    else:
        cause(association, cell.event)
    assert association.state is before
    assert association.take_trace() == []
    assert s.drain(association) == []
    assert s.sent(association) == b""


def test_evt5_makes_an_acceptor():
    association = s.acceptor()
    assert association.state is State.Sta2
    assert association.deadline == 30.0


def test_ae_6_rejects_into_sta13():
    association = s.reach(2, Side.ACCEPTOR)
    association.receive_data(s.associate_rq(version=2), 1.0)
    (transition,) = association.take_trace()
    assert (transition.action, transition.next_state) == (Action.AE_6, State.Sta13)


@pytest.mark.parametrize(("side", "state"), [(Side.REQUESTOR, 9), (Side.ACCEPTOR, 10)])
def test_ar_8_depends_on_the_side(side, state):
    association = s.reach(7, side)
    association.receive_data(s.RELEASE_RQ, 1.0)
    assert association.state == state

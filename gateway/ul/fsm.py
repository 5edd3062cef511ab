"""The upper layer protocol machine (PS3.8 9.2): states, events, actions and Table 9-10."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, IntEnum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(IntEnum):
    """Protocol machine states (PS3.8 tables 9-1 to 9-5)."""

    Sta1 = 1
    """Idle."""
    Sta2 = 2
    """Transport connection open, awaiting A-ASSOCIATE-RQ."""
    Sta3 = 3
    """Awaiting the local A-ASSOCIATE response."""
    Sta4 = 4
    """Awaiting the transport connection to open."""
    Sta5 = 5
    """Awaiting A-ASSOCIATE-AC or A-ASSOCIATE-RJ."""
    Sta6 = 6
    """Association established, ready for data transfer."""
    Sta7 = 7
    """Awaiting A-RELEASE-RP."""
    Sta8 = 8
    """Awaiting the local A-RELEASE response."""
    Sta9 = 9
    """Release collision, requestor: awaiting the local A-RELEASE response."""
    Sta10 = 10
    """Release collision, acceptor: awaiting A-RELEASE-RP."""
    Sta11 = 11
    """Release collision, requestor: awaiting A-RELEASE-RP."""
    Sta12 = 12
    """Release collision, acceptor: awaiting the local A-RELEASE response."""
    Sta13 = 13
    """Awaiting the transport connection to close."""

    def __str__(self) -> str:
        return self.name


class FsmEvent(IntEnum):
    """Protocol machine events (PS3.8 table 9-10, first column)."""

    Evt1 = 1
    """A-ASSOCIATE request (local user)."""
    Evt2 = 2
    """Transport connect confirmation."""
    Evt3 = 3
    """A-ASSOCIATE-AC received."""
    Evt4 = 4
    """A-ASSOCIATE-RJ received."""
    Evt5 = 5
    """Transport connection indication."""
    Evt6 = 6
    """A-ASSOCIATE-RQ received."""
    Evt7 = 7
    """A-ASSOCIATE response, accept (local user)."""
    Evt8 = 8
    """A-ASSOCIATE response, reject (local user)."""
    Evt9 = 9
    """P-DATA request (local user)."""
    Evt10 = 10
    """P-DATA-TF received."""
    Evt11 = 11
    """A-RELEASE request (local user)."""
    Evt12 = 12
    """A-RELEASE-RQ received."""
    Evt13 = 13
    """A-RELEASE-RP received."""
    Evt14 = 14
    """A-RELEASE response (local user)."""
    Evt15 = 15
    """A-ABORT request (local user)."""
    Evt16 = 16
    """A-ABORT received."""
    Evt17 = 17
    """Transport connection closed."""
    Evt18 = 18
    """ARTIM expired."""
    Evt19 = 19
    """Unrecognized or invalid PDU received."""

    def __str__(self) -> str:
        return self.name


class Action(Enum):
    """Protocol machine actions (PS3.8 tables 9-6 to 9-9), implemented in `actions`."""

    AE_1 = "AE-1"
    AE_2 = "AE-2"
    AE_3 = "AE-3"
    AE_4 = "AE-4"
    AE_5 = "AE-5"
    AE_6 = "AE-6"
    AE_7 = "AE-7"
    AE_8 = "AE-8"
    DT_1 = "DT-1"
    DT_2 = "DT-2"
    AR_1 = "AR-1"
    AR_2 = "AR-2"
    AR_3 = "AR-3"
    AR_4 = "AR-4"
    AR_5 = "AR-5"
    AR_6 = "AR-6"
    AR_7 = "AR-7"
    AR_8 = "AR-8"
    AR_9 = "AR-9"
    AR_10 = "AR-10"
    AA_1 = "AA-1"
    AA_2 = "AA-2"
    AA_3 = "AA-3"
    AA_4 = "AA-4"
    AA_5 = "AA-5"
    AA_6 = "AA-6"
    AA_7 = "AA-7"
    AA_8 = "AA-8"

    def __str__(self) -> str:
        return self.value


class Side(Enum):
    """The role of this side in establishing the association (PS3.8 7.1)."""

    ACCEPTOR = "acceptor"
    REQUESTOR = "requestor"


class Closing(Enum):
    """The action that the owner of the transport connection must perform on it."""

    NO = auto()
    SHUTDOWN = auto()
    """Send all output, write EOF, and discard input until EOF or until ARTIM expires."""
    CLOSE = auto()
    """Close the connection now."""


class Trace(Flag):
    """The records for notification events."""

    NONE = 0
    TRANSITIONS = auto()
    PDUS = auto()


@dataclass(frozen=True, slots=True)
class Transition:
    """A transition: an event, and its action and next state."""

    current_state: State
    fsm_event: FsmEvent
    action: Action
    next_state: State


_TABLE_9_10 = """
       Sta1 Sta2 Sta3 Sta4 Sta5 Sta6 Sta7 Sta8 Sta9 Sta10 Sta11 Sta12 Sta13
Evt1   AE-1 .    .    .    .    .    .    .    .    .     .     .     .
Evt2   .    .    .    AE-2 .    .    .    .    .    .     .     .     .
Evt3   .    AA-1 AA-8 .    AE-3 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-6
Evt4   .    AA-1 AA-8 .    AE-4 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-6
Evt5   AE-5 .    .    .    .    .    .    .    .    .     .     .     .
Evt6   .    AE-6 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-7
Evt7   .    .    AE-7 .    .    .    .    .    .    .     .     .     .
Evt8   .    .    AE-8 .    .    .    .    .    .    .     .     .     .
Evt9   .    .    .    .    .    DT-1 .    AR-7 .    .     .     .     .
Evt10  .    AA-1 AA-8 .    AA-8 DT-2 AR-6 AA-8 AA-8 AA-8  AA-8  AA-8  AA-6
Evt11  .    .    .    .    .    AR-1 .    .    .    .     .     .     .
Evt12  .    AA-1 AA-8 .    AA-8 AR-2 AR-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-6
Evt13  .    AA-1 AA-8 .    AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3  AA-8  AA-6
Evt14  .    .    .    .    .    .    .    AR-4 AR-9 .     .     AR-4  .
Evt15  .    .    AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1  AA-1  AA-1  .
Evt16  .    AA-2 AA-3 .    AA-3 AA-3 AA-3 AA-3 AA-3 AA-3  AA-3  AA-3  AA-2
Evt17  .    AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4  AA-4  AA-4  AR-5
Evt18  .    AA-2 .    .    .    .    .    .    .    .     .     .     AA-2
Evt19  .    AA-1 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-7
"""


def _read_table(text: str) -> dict[FsmEvent, dict[State, Action]]:
    header, *rows = text.strip().splitlines()
    states = [State[name] for name in header.split()]
    table = {}
    for row in rows:
        event, *cells = row.split()
        table[FsmEvent[event]] = {
            state: Action(cell) for state, cell in zip(states, cells, strict=True) if cell != "."
        }
    return table


TABLE: Mapping[FsmEvent, Mapping[State, Action]] = _read_table(_TABLE_9_10)
"""PS3.8 Table 9-10: the action of each event in each state. A blank cell is a local error."""

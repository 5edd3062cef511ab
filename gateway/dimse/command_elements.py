"""Command fields and the elements of command sets (PS3.7 annex E)."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

from gateway.table_files import read_table

NO_DATA_SET = 0x0101
"""The value of Command Data Set Type if no data set follows (PS3.7 E.1)."""

DATA_SET = 0x0001
"""The value that is sent if a data set follows; any value but 0101H means that."""

RESPONSE = 0x8000
"""The bit of a command field that marks a response."""


class CommandField(IntEnum):
    """Command Field (0000,0100) of the 23 messages (PS3.7 E.1)."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF


class Priority(IntEnum):
    """Priority (0000,0700)."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2


class VR(Enum):
    """The value representations that occur in command sets."""

    AE = "AE"
    AT = "AT"
    LO = "LO"
    UI = "UI"
    UL = "UL"
    US = "US"


class Element(NamedTuple):
    """A row of PS3.7 table E.1-1."""

    tag: int
    keyword: str
    vr: VR
    attribute: str
    """The name of the field in the message classes."""


COMMAND_GROUP_LENGTH = 0x0000
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
PRIORITY = 0x0700
COMMAND_DATA_SET_TYPE = 0x0800
STATUS = 0x0900
ATTRIBUTE_IDENTIFIER_LIST = 0x1005

ELEMENTS: tuple[Element, ...] = tuple(
    Element(int(number, 16), keyword, VR(vr), attribute)
    for number, keyword, vr, attribute in read_table("dimse/command_elements.tsv")
)
"""All elements of group 0000 that are not retired, in the order in which they are encoded."""

BY_TAG: dict[int, Element] = {element.tag: element for element in ELEMENTS}
BY_ATTRIBUTE: dict[str, Element] = {element.attribute: element for element in ELEMENTS}
BY_KEYWORD: dict[str, Element] = {element.keyword: element for element in ELEMENTS}

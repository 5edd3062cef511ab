"""Associations that this side asks for: the SCU's half.

The asyncio face is here; `gateway.requestor.sync` is the same for threads, and
`gateway.datasets.coding` turns pydicom's data sets into identifiers and back.
"""

from gateway.association.errors import (
    Aborted,
    AssociationError,
    NotAccepted,
    Rejected,
    Released,
    SourceFailed,
    TimedOut,
    Unreachable,
)
from gateway.association.operation import Operation, ReceivedResponse
from gateway.association.timers import Timeouts
from gateway.datasets import BASIC_SYNTAXES, Instance, NotDicom, identify, identify_bytes
from gateway.requestor.c_echo import EchoResult, echo
from gateway.requestor.incoming import Collect, Handler, IncomingRequest, Receiver, Reply
from gateway.requestor.proposal import Address, Proposal
from gateway.requestor.requestor_association import RequestorAssociation, associate
from gateway.requestor.status_text import describe_status

# fmt: off
__all__ = [
    "BASIC_SYNTAXES", "Aborted", "Address", "AssociationError", "Collect", "EchoResult", "Handler",
    "IncomingRequest", "Instance", "NotAccepted", "NotDicom", "Operation", "Proposal",
    "ReceivedResponse", "Receiver", "Rejected", "Released", "Reply", "RequestorAssociation",
    "SourceFailed", "TimedOut", "Timeouts", "Unreachable", "associate", "describe_status", "echo",
    "identify", "identify_bytes",
]
# fmt: on

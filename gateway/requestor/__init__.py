"""Associations that this side asks for: the SCU's half."""

from gateway.requestor.association import Association, Timeouts, associate
from gateway.requestor.echo import EchoResult, echo
from gateway.requestor.errors import Aborted, AssociationError, Rejected, TimedOut, Unreachable

__all__ = [
    "Aborted",
    "Association",
    "AssociationError",
    "EchoResult",
    "Rejected",
    "TimedOut",
    "Timeouts",
    "Unreachable",
    "associate",
    "echo",
]

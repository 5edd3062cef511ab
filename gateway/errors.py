"""The exceptions of the gateway.

A local error is a bug or a wrong setting on this side. A remote error is the peer's, and carries
the code with which this side responds to it.
"""

from __future__ import annotations

from enum import Enum


class GatewayError(Exception):
    """The base class of all exceptions that this program raises."""


class ConfigError(GatewayError):
    """A setting, option or argument is wrong; the text names it and says what it must be."""


class Unavailable(GatewayError):  # noqa: N818 - the state of what is missing
    """Something that a worker needs is not there yet, or is full; the text names it.

    It may come back by itself or be mended, so a worker that raises this at its start tries again.
    """


class ProtocolError(GatewayError):
    """The upper layer protocol (PS3.8) was violated."""


class LocalProtocolError(ProtocolError):
    """This side requested something that the state of the protocol forbids: a bug here."""


class RemoteProtocolError(ProtocolError):
    """The peer violated the protocol; carries the A-ABORT to send (PS3.8 9.3.8)."""

    def __init__(self, text: str, *, source: int = 2, reason: int = 0) -> None:
        super().__init__(text)
        self.source = source
        """0 DICOM UL service user, 2 DICOM UL service provider."""
        self.reason = reason
        """0 not specified, 1 unrecognized PDU, 2 unexpected PDU, 4 unrecognized parameter,
        5 unexpected parameter, 6 invalid parameter value."""


class DimseError(GatewayError):
    """A DIMSE request cannot be performed; carries the status to send (PS3.7 annex C)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class FabricError(GatewayError):
    """The communication between acceptors and workers failed."""


class AlreadyRegistered(FabricError):  # noqa: N818 - the fabric's word for it
    """Another worker holds the event; the text names the holder."""

    def __init__(self, text: str, holder: str = "") -> None:
        super().__init__(text)
        self.holder = holder
        """The name of that worker."""


class Reason(Enum):
    """Why an intervention request got no answer from a worker."""

    NOBODY = "nobody"
    BUSY = "busy"
    LOST = "lost"
    LATE = "late"


class Unanswered(FabricError):  # noqa: N818 - the fabric's word for it
    """An intervention request ended without an answer from its worker."""

    def __init__(self, reason: Reason, text: str = "", *, poisonous: bool = False) -> None:
        super().__init__(text or reason.value)
        self.reason = reason
        self.poisonous = poisonous
        """Two members died while they had only this request: its data set goes to quarantine."""


class SpoolError(GatewayError):
    """A data set could not be spooled; the request fails, the association continues."""

"""What can go wrong, and whose fault it is.

A local error is a bug or a wrong setting on this side and raises; a remote error is the peer's and
carries the code that it becomes on the wire.
"""

from __future__ import annotations

from enum import Enum


class GatewayError(Exception):
    """The root of every error that this program raises on purpose."""


class ConfigError(GatewayError):
    """A setting is unknown or wrong; the text names its path and what would be right."""


class ProtocolError(GatewayError):
    """The upper layer protocol (PS3.8) was broken."""


class LocalProtocolError(ProtocolError):
    """This side asked the protocol machine for something its state forbids: a bug here."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol; the error carries the A-ABORT it deserves (PS3.8 9.3.8)."""

    def __init__(self, text: str, *, source: int = 2, reason: int = 0) -> None:
        super().__init__(text)
        self.source = source
        """0 DICOM UL service user, 2 DICOM UL service provider."""
        self.reason = reason
        """0 not specified, 1 unrecognized PDU, 2 unexpected PDU, 4 unrecognized parameter,
        5 unexpected parameter, 6 invalid parameter value."""


class DimseError(GatewayError):
    """A DIMSE request cannot be performed; carries the status it becomes (PS3.7 annex C)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class FabricError(GatewayError):
    """Acceptor and worker could not agree."""


class AlreadyRegistered(FabricError):  # noqa: N818 - the fabric's word for it
    """Another worker holds the event; the text names the holder."""


class Reason(Enum):
    """Why an intervention got no answer."""

    NOBODY = "nobody"
    BUSY = "busy"
    LOST = "lost"
    LATE = "late"


class Unanswered(FabricError):  # noqa: N818 - the fabric's word for it
    """An intervention request ended without an answer of its worker."""

    def __init__(self, reason: Reason, text: str = "", *, poisonous: bool = False) -> None:
        super().__init__(text or reason.value)
        self.reason = reason
        self.poisonous = poisonous
        """Two members died with this request alone in hand: its data set belongs in quarantine."""


class SpoolError(GatewayError):
    """A data set could not be kept; never a reason to end the association."""

"""Why an association that this side asked for did not come about, or ended early - in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dimse.services import service_of
from gateway.dimse.status import category
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.dimse.message import Response
    from gateway.ul.pdu import AAbort, AAssociateRJ

_RESULTS = {1: "permanently", 2: "for now"}
_SOURCES = {
    1: "the peer's service user",
    2: "the peer's service provider (ACSE)",
    3: "the peer's service provider (presentation)",
}


class AssociationError(GatewayError):
    """The association failed; the text is a sentence for people."""


class Unreachable(AssociationError):  # noqa: N818 - a state, not only an error
    """No transport connection to the peer."""


class TimedOut(AssociationError):  # noqa: N818 - a state, not only an error
    """The peer did not answer, or did not read, in time."""


class Rejected(AssociationError):  # noqa: N818 - the standard's word
    """The peer sent an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    def __init__(self, rejection: AAssociateRJ) -> None:
        result, source = rejection.result, rejection.source
        super().__init__(
            f"the association was rejected {_RESULTS[result]} by {_SOURCES[source]}: "
            f"{rejection.describe()} (result {result}, source {source}, reason {rejection.reason})"
        )
        self.rejection = rejection

    @property
    def is_transient(self) -> bool:
        """Another time it may be accepted."""
        return self.rejection.result == 2


class Aborted(AssociationError):  # noqa: N818 - the standard's word
    """The association was aborted, or its connection was lost."""

    def __init__(self, text: str, abort: AAbort | None = None) -> None:
        super().__init__(text)
        self.abort = abort
        """The A-ABORT of the peer, if it sent one."""

    @classmethod
    def by_peer(cls, abort: AAbort) -> Aborted:
        """From an A-ABORT of the peer (PS3.8 9.3.8)."""
        return cls(
            f"the peer aborted the association: {abort.describe()} "
            f"(source {abort.source}, reason {abort.reason})",
            abort,
        )


class Released(AssociationError):  # noqa: N818 - the standard's word
    """The association is over, by a release of either side."""


class NotAccepted(AssociationError):  # noqa: N818 - the standard's word
    """The association lives, but the peer did not accept the presentation context it takes."""


class SourceFailed(AssociationError):  # noqa: N818 - a state, not only an error
    """The data set that was being sent could not be read to its end: the association is aborted.

    Half a message cannot be taken back (PS3.8 annex E).
    """


def describe_status(sop_class_uid: str, response: Response) -> str:
    """The status of a response in the words of its service (PS3.7 annex C, PS3.4)."""
    status = response.status
    known = service_of(sop_class_uid).status(status)
    kind = known[0] if known else category(status)
    words = kind.value.lower()
    if known and known[1].lower() != words:
        words += f": {known[1]}"
    comment = response.error_comment
    told = f', the peer says "{printable(comment)}"' if comment else ""
    return f"{words} (status 0x{status:04X}{told})"


def printable(text: str) -> str:
    """A peer's text with whatever could move a cursor or forge a line made visible."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)

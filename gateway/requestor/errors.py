"""Why an association that this side asked for did not come about, or ended early - in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import GatewayError

if TYPE_CHECKING:
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
    """The peer did not answer in time."""


class Rejected(AssociationError):  # noqa: N818 - the standard's word
    """The peer sent an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    def __init__(self, rejection: AAssociateRJ) -> None:
        result, source = rejection.result, rejection.source
        super().__init__(
            f"the association was rejected {_RESULTS[result]} by {_SOURCES[source]}: "
            f"{rejection.describe()} (result {result}, source {source}, reason {rejection.reason})"
        )
        self.rejection = rejection


class Aborted(AssociationError):  # noqa: N818 - the standard's word
    """The association was aborted, or its connection was lost."""

    @classmethod
    def by_peer(cls, abort: AAbort) -> Aborted:
        """From an A-ABORT of the peer (PS3.8 9.3.8)."""
        return cls(
            f"the peer aborted the association: {abort.describe()} "
            f"(source {abort.source}, reason {abort.reason})"
        )

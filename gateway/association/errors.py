"""The errors for an association that failed or ended, in either role; their texts say why."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gateway.errors import GatewayError
from gateway.ul.pdu import AAbort
from gateway.ul.primitives import Origin

if TYPE_CHECKING:
    from gateway.ul.pdu import AAssociateRJ
    from gateway.ul.primitives import APAbortIndication

_RESULTS = {1: "permanently", 2: "for now"}
_SOURCES = {
    1: "the peer's service user",
    2: "the peer's service provider (ACSE)",
    3: "the peer's service provider (presentation)",
}


class AssociationError(GatewayError):
    """The association failed; the text is a sentence for users."""


class Unreachable(AssociationError):  # noqa: N818 - a state, not only an error
    """There is no transport connection to the peer."""


class Rejected(AssociationError):  # noqa: N818 - the standard's word
    """An A-ASSOCIATE-RJ was received or sent (PS3.8 9.3.4)."""

    def __init__(self, rejection: AAssociateRJ, why: str = "") -> None:
        result, source = rejection.result, rejection.source
        how = _RESULTS.get(result, "with a reserved result")
        super().__init__(
            f"the association was rejected {how} by {_SOURCES.get(source, 'a reserved source')}: "
            f"{rejection.describe()} (result {result}, source {source}, reason {rejection.reason})"
        )
        self.rejection = rejection
        self.why = why or rejection.describe()
        """What the operator of this side can do about it, in a sentence."""


class Aborted(AssociationError):  # noqa: N818 - the standard's word
    """The association was aborted by either side, or its connection was lost."""

    def __init__(
        self, text: str, abort: AAbort | None = None, *, source: int = 0, reason: int = 0
    ) -> None:
        super().__init__(text)
        self.abort = abort
        """The A-ABORT of the peer, if it sent one."""
        self.source = abort.source if abort else source
        self.reason = abort.reason if abort else reason
        """Source and reason as in an A-ABORT (PS3.8 9.3.8)."""

    @classmethod
    def by_peer(cls, abort: AAbort) -> Aborted:
        """Return the error for an A-ABORT of the peer (PS3.8 9.3.8)."""
        return cls(
            f"the peer aborted the association: {abort.describe()} "
            f"(source {abort.source}, reason {abort.reason})",
            abort,
        )

    @classmethod
    def by_provider(cls, indication: APAbortIndication, *, in_message: bool) -> Aborted:
        """Return the error for an A-P-ABORT; `in_message`: it cut a message off."""
        reason = indication.reason
        match indication.origin:
            case Origin.PEER:
                return cls.by_peer(AAbort(2, reason))
            case Origin.LOCAL:
                text = f"the peer broke the protocol: {indication.text}; aborted"
            case Origin.TRANSPORT:
                how = "in the middle of a message" if in_message else "without a release"
                text = f"the peer closed the connection {how}"
            case _:
                assert_never(indication.origin)
        return cls(text, source=2, reason=reason)


class TimedOut(AssociationError):  # noqa: N818 - a state, not only an error
    """The peer did not answer, or did not read, in time."""


class SourceFailed(AssociationError):  # noqa: N818 - a state, not only an error
    """The data set that was being sent could not be read to its end: the association is aborted.

    Half a message cannot be taken back (PS3.8 annex E).
    """


class Released(AssociationError):  # noqa: N818 - the standard's word
    """The association is over, by a release of either side."""


class NotAccepted(AssociationError):  # noqa: N818 - the standard's word
    """The peer did not accept the presentation context; the association is still established."""

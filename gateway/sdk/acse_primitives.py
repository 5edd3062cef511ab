"""The service primitives of association control, as notifications carry them (PS3.8 7, PS3.7 D).

What a primitive says is in the PDU that carried it; one that no PDU carried, such as the indication
of a lost connection, has none. The attributes have pynetdicom's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gateway.datasets.coding import any_uid
from gateway.sdk.assoc import NegotiatedContext
from gateway.ul.pdu import AAbort, AAssociateAC, AAssociateRJ, AAssociateRQ, decode_pdu

if TYPE_CHECKING:
    from pydicom.uid import UID

    from gateway.ul.pdu import PDU

RESULTS = {0: "Accepted", 1: "Rejected Permanent", 2: "Rejected Transient"}
SOURCES = {
    1: "Service User",
    2: "Service Provider (ACSE)",
    3: "Service Provider (Presentation)",
}


@dataclass(frozen=True)
class AcsePrimitive:
    """A service primitive of the association control service (PS3.8 7)."""

    name: str
    """A-ASSOCIATE, A-RELEASE, A-ABORT or A-P-ABORT."""
    kind: str
    """request, indication, response or confirmation."""
    encoded: bytes
    """The PDU that carried it; empty if none did."""

    @cached_property
    def pdu(self) -> PDU | None:
        """The PDU that carried it, decoded."""
        return decode_pdu(self.encoded) if self.encoded else None


class AssociatePrimitive(AcsePrimitive):
    """A-ASSOCIATE (PS3.8 7.1.1); what its PDU does not have is None or empty."""

    def _of(self, name: str, default: Any = None) -> Any:
        return getattr(self.pdu, name, default)

    @property
    def application_context_name(self) -> UID | None:
        name = self._of("application_context_name")
        return None if name is None else any_uid(name)

    @property
    def calling_ae_title(self) -> str | None:
        title: str | None = self._of("calling_ae_title")
        return title

    @property
    def called_ae_title(self) -> str | None:
        title: str | None = self._of("called_ae_title")
        return title

    @property
    def responding_ae_title(self) -> str | None:
        """The same as the called one (PS3.8 7.1.1.7)."""
        return self.called_ae_title

    @property
    def user_information(self) -> Any:
        """Maximum length, implementation and negotiation items (PS3.8 D, PS3.7 D.3.3)."""
        return self._of("user_information")

    @property
    def maximum_length_received(self) -> int | None:
        user = self.user_information
        return None if user is None else int(user.maximum_length)

    @property
    def implementation_class_uid(self) -> UID | None:
        user = self.user_information
        return any_uid(user.implementation_class_uid) if user is not None else None

    @property
    def presentation_context_definition_list(self) -> list[NegotiatedContext]:
        """The contexts that an A-ASSOCIATE-RQ proposes."""
        if not isinstance(self.pdu, AAssociateRQ):
            return []
        return [
            NegotiatedContext(
                c.id, any_uid(c.abstract_syntax), list(map(any_uid, c.transfer_syntaxes)), None
            )
            for c in self.pdu.presentation_contexts
        ]

    @property
    def presentation_context_definition_results_list(self) -> list[NegotiatedContext]:
        """The answers of an A-ASSOCIATE-AC, whose contexts have no abstract syntax."""
        if not isinstance(self.pdu, AAssociateAC):
            return []
        return [
            NegotiatedContext(c.id, any_uid(""), [any_uid(c.transfer_syntax)], int(c.result))
            for c in self.pdu.presentation_contexts
        ]

    @property
    def result(self) -> int | None:
        """0 accepted, 1 rejected permanently, 2 rejected for now; None in a request."""
        if isinstance(self.pdu, AAssociateRJ):
            return self.pdu.result
        return 0 if isinstance(self.pdu, AAssociateAC) else None

    @property
    def result_source(self) -> int | None:
        """Who rejected: 1 the service user, 2 and 3 the service provider."""
        return self.pdu.source if isinstance(self.pdu, AAssociateRJ) else None

    @property
    def diagnostic(self) -> int | None:
        """The reason of a rejection (PS3.8 table 9-21)."""
        return self.pdu.reason if isinstance(self.pdu, AAssociateRJ) else None

    @property
    def result_str(self) -> str:
        return RESULTS.get(-1 if self.result is None else self.result, "")

    @property
    def source_str(self) -> str:
        return SOURCES.get(self.result_source or 0, "")

    @property
    def reason_str(self) -> str:
        return self.pdu.describe().capitalize() if isinstance(self.pdu, AAssociateRJ) else ""


class ReleasePrimitive(AcsePrimitive):
    """A-RELEASE (PS3.8 7.2)."""

    reason = "normal"

    @property
    def result(self) -> str | None:
        """Affirmative in a response or confirmation; None in a request."""
        return "affirmative" if self.kind in ("response", "confirmation") else None


class AbortPrimitive(AcsePrimitive):
    """A-ABORT (PS3.8 7.3)."""

    @property
    def abort_source(self) -> int:
        """0 the service user, 2 the service provider."""
        return self.pdu.source if isinstance(self.pdu, AAbort) else 0


class ProviderAbortPrimitive(AcsePrimitive):
    """A-P-ABORT (PS3.8 7.4)."""

    @property
    def provider_reason(self) -> int:
        """The reason of the service provider (PS3.8 table 9-26); 0 if none was given."""
        return self.pdu.reason if isinstance(self.pdu, AAbort) else 0


_TYPES = {
    "A-ASSOCIATE": AssociatePrimitive,
    "A-RELEASE": ReleasePrimitive,
    "A-ABORT": AbortPrimitive,
    "A-P-ABORT": ProviderAbortPrimitive,
}


def make(name: str, kind: str, encoded: bytes) -> AcsePrimitive:
    """Return the primitive of this name."""
    return _TYPES.get(name, AcsePrimitive)(name, kind, encoded)

"""The audit messages that follow from notifications about associations and their operations."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from gateway.sdk import GatewayError
from workers.audit import codes
from workers.audit.arrivals import ArrivalOrigin
from workers.audit.audit_message import Participant
from workers.audit.audited import (
    ae_titles,
    begin_transferring,
    instances_transferred,
    query,
    security_alert,
    user_authentication,
)
from workers.audit.codes import AuditAction, EventOutcome
from workers.audit.retrievals import AuditedRetrieval, subjects_of
from workers.audit.throttle import OTHERS, Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.sdk import Event
    from gateway.settings import Destination
    from workers.archive.index import Index
    from workers.audit.arrivals import Arrivals
    from workers.audit.audit_recorder import AuditRecorder
    from workers.audit.subjects import Subjects

log = logging.getLogger("workers.audit")

RETRIEVALS = ("C-GET", "C-MOVE")
PERMANENT, LOCAL_LIMITS = 1, 3
"""Result rejected-permanent; source service provider, presentation (PS3.8 table 9-21)."""
ACSE = 2
"""Source service provider, ACSE."""
MOST = 10_000
"""Associations with a user, or operations, that are remembered."""


class Associations:
    """Turns notifications into audit messages."""

    def __init__(
        self,
        recorder: AuditRecorder,
        arrivals: Arrivals,
        subjects: Subjects,
        open_index: Callable[[], Index | None],
        destination: Callable[[str], Destination | None],
    ) -> None:
        self._recorder, self._arrivals, self._subjects = recorder, arrivals, subjects
        self._open_index, self._destination = open_index, destination
        self._throttle = Throttle()
        self._users: OrderedDict[str, Participant] = OrderedDict()
        self._retrievals: OrderedDict[tuple[str, int], AuditedRetrieval] = OrderedDict()
        self._take: dict[str, Callable[[Any], None]] = {
            "EVT_ESTABLISHED": self._established,
            "EVT_REJECTED": self._rejected,
            "EVT_ASSOCIATION_ENDED": self._ended,
            "EVT_OPERATION_BEGUN": self._operation_begun,
            "EVT_OPERATION_ENDED": self._operation_ended,
            "EVT_TLS_FAILED": self._tls_failed,
            "EVT_INSTANCE_STORED": self._arrived,
            "EVT_INSTANCE_CONFLICT": self._arrived,
        }

    def take(self, event: Event) -> None:
        """Take a notification."""
        self._take[event.name](event)

    def turn(self, now: float) -> None:
        """Record how many alerts were held back, once a minute."""
        for host, number in self._throttle.turn(now):
            text = f"{number} more rejections or failed TLS handshakes within a minute"
            self._record_alert(text, "several hosts" if host == OTHERS else host)

    # associations

    def _established(self, event: Any) -> None:
        if (user := _user_of(event.assoc)) is not None:
            _remember(self._users, event.assoc.id, user)
            self._recorder.record(user_authentication(codes.LOGIN, user, self._own(event.assoc)))

    def _rejected(self, event: Any) -> None:
        """Alert of a rejection, unless it was for want of room."""
        if event.result != PERMANENT and event.source == LOCAL_LIMITS:
            return
        assoc = event.assoc
        host, _ = assoc.remote
        if not self._throttle.passes(host):
            return
        why = event.why or f"rejected ({event.result},{event.source},{event.reason})"
        user = _user_of(assoc)
        if user is not None and event.source == ACSE:
            self._recorder.record(
                user_authentication(codes.LOGIN, user, self._own(assoc), str(why))
            )
        self._record_alert(str(why), host)

    def _tls_failed(self, event: Any) -> None:
        if self._throttle.passes(str(event.host)):
            self._record_alert(f"TLS handshake failed: {event.why}", str(event.host))

    def _record_alert(self, text: str, host: str) -> None:
        own, kind = self._recorder.own, codes.NODE_AUTHENTICATION
        self._recorder.record(security_alert(kind, own, text, EventOutcome.MINOR_FAILURE, host))

    def _ended(self, event: Any) -> None:
        assoc = event.assoc
        self._arrivals.association_ended(assoc.id)
        for key in [one for one in self._retrievals if one[0] == assoc.id]:
            self._record_end(self._retrievals.pop(key), 0, 1, f"the association ended: {event.why}")
        if (user := self._users.pop(assoc.id, None)) is not None:
            self._recorder.record(user_authentication(codes.LOGOUT, user, self._own(assoc)))

    # operations

    def _arrived(self, event: Any) -> None:
        assoc = event.assoc
        titles = assoc.requestor.ae_title, assoc.acceptor.ae_title
        origin = ArrivalOrigin(assoc.id, *titles, assoc.remote[0], assoc.local[0])
        self._arrivals.sent_by(str(event.sop_instance_uid), origin)

    def _operation_begun(self, event: Any) -> None:
        assoc, asked = event.assoc, (event.sop_class_uid, event.transfer_syntax_uid, event.query)
        if event.operation == "C-FIND":
            self._recorder.record(query(_peer(assoc), self._own(assoc), *asked))
        elif event.operation in RETRIEVALS:
            found = subjects_of(self._subjects, self._index(), *asked)
            retrieval = self._retrieval(event, found)
            _remember(self._retrievals, (assoc.id, event.message_id), retrieval)
            for subject in found:
                self._recorder.record(
                    begin_transferring(
                        retrieval.source, retrieval.destination, retrieval.others, subject
                    )
                )

    def _operation_ended(self, event: Any) -> None:
        retrieval = self._retrievals.pop((event.assoc.id, event.message_id), None)
        if retrieval is not None:
            sent, failed = event.completed + event.warnings, event.failed
            if not failed and not sent and event.status:
                failed = 1
            text = f"status {event.status:04X}, {failed} of {sent + failed} instances not sent"
            self._record_end(retrieval, sent, failed, text)

    def _record_end(self, retrieval: AuditedRetrieval, sent: int, failed: int, text: str) -> None:
        """Record what was sent, and by another message what was not (PS3.15 A.5.2)."""
        ends = retrieval.source, retrieval.destination, retrieval.others
        for subject in retrieval.subjects:
            message = instances_transferred(AuditAction.READ, *ends, subject)
            if sent or not failed:
                self._recorder.record(message)
            if failed:
                self._recorder.record(message.failed(text))

    def _retrieval(self, event: Any, subjects: tuple[Any, ...]) -> AuditedRetrieval:
        assoc = event.assoc
        peer, own = _peer(assoc), self._own(assoc)
        if event.operation == "C-GET":
            return AuditedRetrieval(own, peer, (), subjects)
        title = str(event.parameters.get("MoveDestination", ""))
        known = self._destination(title)
        address = known.host if known is not None else ""
        return AuditedRetrieval(
            own, Participant(title, ae_titles(title), address=address), (peer,), subjects
        )

    def _index(self) -> Index | None:
        try:
            return self._open_index()
        except GatewayError:
            return None

    def _own(self, assoc: Any) -> Participant:
        own = self._recorder.own
        return Participant(own.user_id, ae_titles(assoc.acceptor.ae_title), address=assoc.local[0])


def _peer(assoc: Any) -> Participant:
    title = assoc.requestor.ae_title
    return Participant(title, ae_titles(title), is_requestor=True, address=assoc.remote[0])


def _user_of(assoc: Any) -> Participant | None:
    """Return the user of an association; the name is that of types 1 and 2 (PS3.7 D.3.3.7)."""
    identity = assoc.requestor.user_identity
    if identity is None:
        return None
    name = identity.primary_field.decode(errors="replace")
    return Participant(
        name or f"user identity of type {identity.user_id_type}",
        ae_titles(assoc.requestor.ae_title),
        is_requestor=True,
        address=assoc.remote[0],
    )


def _remember(table: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    table[key] = value
    if len(table) > MOST:
        table.popitem(last=False)

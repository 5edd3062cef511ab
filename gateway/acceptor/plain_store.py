"""The hot path: a short C-STORE that a read brings whole, from its bytes to its response.

Nearly all messages of a busy acceptor are like this one: a C-STORE-RQ and a data set that travels
inline, both complete in one read, as the last one of the same peer except for message ID, instance
and data. `PlainStores.take` performs it in one call, without the objects between the layers:

1. `UpperLayer.receive_some` calls it in Sta6, between two PDUs, while nothing is traced. In this
   state Table 9-10 has one action for P-DATA-TF (DT-2), and one for the response (DT-1).
2. The headers must be those of two fragments, each of which is the last of its kind. The command
   set must fit the template of an earlier one (`store_template`), which went the general way.
3. The data set must begin with elements that name the same class and instance as the request
   (`part10.identity`); the digest is computed, and the file is put together in memory.
4. The `PlainStore` is the peer's request and the request to the worker in one object. The fabric
   sends all those of a turn of the loop in one message (`fabric.acceptor.batches`).
5. The worker's answers come in batches too. Each calls `PlainStore.answered`. One of success
   becomes the response: three constant parts, message ID and UID, written to the socket at once.

What is not plain is left where it is: `take` returns the position that it was given, nothing has
changed, and the general way takes the same bytes (`association.inbox`, `acceptor.c_store`). So
every condition below is a reason to leave, never a reason to refuse. In the other direction, an
answer other than success, a streamed message in the way, or a watcher of messages, leads to the
response by the general functions. Window, deadline, redelivery, quarantine, counts and the end of
the association are those of all requests: a PlainStore is in the inbox and in the registry as any
other.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway import spans
from gateway.acceptor.answer_status import status_of
from gateway.acceptor.store_template import StoreTemplate, template_of
from gateway.association.phase import Phase
from gateway.dimse.command_elements import CommandField
from gateway.errors import SpoolError
from gateway.events import EVT_C_STORE
from gateway.fabric.acceptor import Intervention
from gateway.fabric.acceptor.interventions import next_number
from gateway.fabric.acceptor.sinks import NOBODY
from gateway.part10.identity import uids_at
from gateway.spool import Claim
from gateway.spool.digest import digest_of
from gateway.uid import is_tolerable
from gateway.ul.fsm import State
from gateway.ul.pdu import PDU_AND_PDV, PDV_HEADER

if TYPE_CHECKING:
    from gateway.acceptor.asking import Asker
    from gateway.dimse.message import CStoreRQ
    from gateway.errors import Unanswered
    from gateway.fabric import Answer
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.acceptor.store")

_P_DATA_TF = 4
_COMMAND_ENDS, _DATA_ENDS = 3, 2
"""Message control headers of a command set and of a data set in one fragment (PS3.8 E.2)."""
_BOTH, _PDV = PDU_AND_PDV.size, PDV_HEADER.size
_read_both, _read_pdv = PDU_AND_PDV.unpack_from, PDV_HEADER.unpack_from
_DATA_TRANSFER, _ESTABLISHED = State.Sta6, Phase.ESTABLISHED
_C_STORE, _NAME = CommandField.C_STORE_RQ, EVT_C_STORE.name
_SUCCESS = {"status": 0, "elements": {}}
_LESSONS = 64
"""Templates that are made for one association: a peer could send no two command sets alike."""


class PlainStores:
    """The plain C-STOREs of one association."""

    def __init__(self, association: Asker) -> None:
        self._association = association
        self._templates: dict[int, StoreTemplate] = {}
        """By context and by length of the command set."""
        self._lessons = _LESSONS
        self._most = 0
        """The longest P-DATA-TF that is received; 0: any."""

    def learn(self, context: AcceptedContext, command_set: bytes, request: CStoreRQ) -> None:
        """Keep the form of a request that went the general way."""
        if not self._lessons:
            return
        self._lessons -= 1
        self._most = self._association.engine.upper.max_pdu
        template = template_of(self._association, context, command_set, request)
        if template is not None:
            self._templates[(len(command_set) + 2) << 8 | context.id] = template

    def take(self, view: memoryview, position: int) -> int:
        """Perform the C-STORE at a position of a read, and return the position behind it.

        Returns the same position, with nothing changed, if something else is there.
        """
        try:
            return self._take(view, position)
        except SpoolError:  # no room: the general way refuses it in words
            return position

    def _take(self, view: memoryview, position: int) -> int:
        end = len(view)
        if end - position < _BOTH:
            return position
        kind, length, size, context_id, control = _read_both(view, position)
        template = self._templates.get(size << 8 | context_id)
        is_whole = kind == _P_DATA_TF and control == _COMMAND_ENDS and not length > self._most > 0
        if template is None or not is_whole:
            return position
        command = position + _BOTH
        found = self._data_set(view, position + 6 + length, command + size - 2, context_id)
        if found is None:
            return position
        before, number, between, uid, after = template.parts(view, command)
        if (before, between, after) != template.constants:
            return position
        instance = uid.decode("latin-1").removesuffix("\0")
        if not is_tolerable(instance):
            return position
        begin, stop = found
        done = self._store(view[begin:stop], template, (number, uid, instance))
        return stop if done else position

    def _data_set(
        self, view: memoryview, stop: int, at: int, context_id: int
    ) -> tuple[int, int] | None:
        """Return where the data set is, if it is one whole PDV at `at`.

        `stop` is the end of the PDU of the command set, in which it may be; otherwise it is all of
        the PDU that follows.
        """
        end, most = len(view), self._most
        if at == stop and end - at >= _BOTH:
            kind, length, size, other_id, control = _read_both(view, at)
            begin = at + _BOTH
            is_whole = kind == _P_DATA_TF and size == length - 4 and not length > most > 0
        elif at + _PDV < stop <= end:
            size, other_id, control = _read_pdv(view, at)
            begin = at + _PDV
            is_whole = begin + size - 2 == stop
        else:
            return None
        stop = begin + size - 2
        if is_whole and control == _DATA_ENDS and other_id == context_id and stop <= end:
            return begin, stop
        return None

    def _store(
        self, data: memoryview, template: StoreTemplate, names: tuple[bytes, bytes, str]
    ) -> bool:
        """Give a data set to the worker; False if it has to go the general way."""
        association, (number, uid, instance) = self._association, names
        engine, shared = association.engine, association.shared
        inbox, message_id = engine.inbox, int.from_bytes(number, "little")
        spool = shared.spool
        if (
            engine.phase is not _ESTABLISHED
            or engine.notifications.has_messages
            or spans.recorder is not None
            or shared.pace is not None
            or not inbox.has_room_for(message_id)
            or not 0 < len(data) <= spool.inline_max
        ):
            return False
        context = template.context
        binding = shared.fabric.binding(_NAME, context.abstract_syntax)
        if binding is None:
            return False
        if shared.settings.checks_data_sets:
            told = uids_at(data, explicit=template.is_explicit)
            if told != (template.sop_class, uid) and told != (uid,):
                return False
        spool.admit()
        head, tail = template.meta
        claim = {
            "token": spool.draw_token(),
            "path": None,
            "offset": template.offset,
            "size": len(data),
            "digest": digest_of(data) if binding.durable else b"",
            "synced": False,
        }
        parameters = template.parameters.copy()
        parameters["MessageID"], parameters["AffectedSOPInstanceUID"] = message_id, instance
        payload = {"request": parameters, "message_id": message_id, "claim": claim}
        store = PlainStore(association, template, number, uid, payload)
        store.data = b"".join((head, uid, tail, data))
        inbox.begin_whole(store, message_id)
        engine.transport.is_awaited = inbox.window == 1
        shared.fabric.ask(store)
        return True


class PlainStore(Intervention):
    """One plain C-STORE: a request in the inbox, and one to a worker, of which it is the sink."""

    def __init__(
        self,
        association: Asker,
        template: StoreTemplate,
        number: bytes,
        uid: bytes,
        payload: dict[str, Any],
    ) -> None:
        # Everything that the base has, without a call.
        self.event = _NAME
        self.payload = payload
        self.assoc = association.description()
        self.sink = self
        self.sop_class = template.context.abstract_syntax
        self.asker = association.holder.address
        self.shared = template.described
        self.window = self.owed = 0
        self.number = next_number()
        self._association = association
        self._template = template
        self._number, self._uid = number, uid
        self.message_id: int = payload["message_id"]
        self.arrived = association.engine.transport.last_received

    # as the fabric calls it

    def answered(self, answer: Answer) -> None:
        """Send the response."""
        engine, payload = self._association.engine, answer.payload
        try:
            if (
                payload == _SUCCESS
                and type(payload["status"]) is int
                and engine.upper.state is _DATA_TRANSFER
                and not engine.upper.is_traced
                and not engine.notifications.has_messages
                and not engine.outbox.is_streaming
            ):
                before, between, after = self._template.response
                pdu = b"".join((before, self._number, between, self._uid, after))
                engine.transport.send(pdu)
                self._finish(0)
            else:
                self._respond(*status_of(EVT_C_STORE, self._request, payload, engine))
        except Exception:  # a bug: it ends this association, not the acceptor
            log.exception("association=%s an operation failed", engine.name)
            engine.fail()

    def unanswered(self, error: Unanswered) -> None:
        """Send a failure, because no answer will come."""
        association = self._association
        name = association.engine.name
        log.warning("association=%s %s unanswered: %s", name, EVT_C_STORE, error)
        if error.poisonous:
            claim = Claim.from_map(self.payload["claim"])
            association.shared.spool.quarantine(claim, self.data)
        failures = EVT_C_STORE.failures
        assert failures is not None
        self._respond(failures.unanswered, {"ErrorComment": str(error)})

    @property
    def _request(self) -> CStoreRQ:
        instance = self.payload["request"]["AffectedSOPInstanceUID"]
        return self._template.request_of(self.message_id, instance)

    def _respond(self, status: int, elements: dict[str, Any]) -> None:
        response = self._request.response(status, elements)
        self._association.engine.outbox.send(self._template.context.id, response)
        self._finish(status)

    def _finish(self, status: int) -> None:
        self.sink = NOBODY  # it would refer to itself, and stay until the garbage is collected
        association, arrived = self._association, self.arrived
        association.shared.stages.finished(_NAME, arrived, arrived, self.given_at)
        association.engine.inbox.finished(self, _C_STORE, status)

    # as the inbox calls it

    def fragment(self, data: memoryview) -> None:
        raise NotImplementedError  # it has come whole

    def read_done(self) -> None:
        """Do nothing: what is kept was copied."""

    def perform(self) -> None:
        raise NotImplementedError  # it was performed as it came

    def cancel(self) -> None:
        """Do nothing: it is finished anyway."""

    def discard(self) -> None:
        self.stop()

    def stop(self) -> None:
        """Tell the worker that nobody awaits an answer any more."""
        if not self.closed:
            self._association.shared.fabric.abandon(self)
        self.sink = NOBODY

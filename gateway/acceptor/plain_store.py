"""The hot path: a C-STORE that is like an earlier one, from its bytes to its response.

Nearly all messages of a busy acceptor are like this: a C-STORE-RQ and its data set, as the last one
of the same peer except for message ID, instance and data. `PlainStores.take` performs one that a
read brings whole, and that travels inline, in one call, without the objects between the layers:

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

Of any other one the command set is taken so. It becomes an `ArrivingStore`, which stands in the
inbox while its data set arrives, as any request does (`acceptor.arriving`): it gets the long
fragments of the same read at once, the others by the framer. A thread seals the file, and from then
on it is a `PlainStore`.

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
from gateway.acceptor.arriving import ArrivingDataSet
from gateway.acceptor.store_template import StoreTemplate, template_of
from gateway.association.phase import Phase
from gateway.dimse.command_elements import CommandField
from gateway.errors import SpoolError
from gateway.events import EVT_C_STORE
from gateway.fabric.acceptor import Intervention
from gateway.fabric.acceptor.interventions import next_number
from gateway.fabric.acceptor.sinks import NOBODY
from gateway.part10.identity import IdentityScan, uids_at
from gateway.spool import Claim
from gateway.spool.digest import digest_of
from gateway.uid import is_tolerable
from gateway.ul.framing import SHORT_PDU
from gateway.ul.fsm import State
from gateway.ul.pdu import PDU_AND_PDV, PDV_HEADER
from gateway.ul.primitives import PDataPart

if TYPE_CHECKING:
    from gateway.acceptor.asking import Asker
    from gateway.dimse.message import CStoreRQ
    from gateway.errors import Unanswered
    from gateway.fabric import Answer, Binding
    from gateway.spool import Sealed
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.acceptor.store")

_P_DATA_TF = 4
_COMMAND_ENDS, _DATA_ENDS, _DATA = 3, 2, 0
"""Message control headers: the last fragment of a command set, that of a data set, and one before
it (PS3.8 E.2)."""
_FRAGMENTS = (_DATA_ENDS, _DATA)
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
        except Exception:  # a bug, or no memory: it ends this association, not the acceptor
            log.exception("association=%s an operation failed", self._association.engine.name)
            self._association.engine.fail()
            return len(view)

    def _take(self, view: memoryview, position: int) -> int:
        end = len(view)
        if end - position < _BOTH:
            return position
        kind, length, size, context_id, control = _read_both(view, position)
        template = self._templates.get(size << 8 | context_id)
        is_whole = kind == _P_DATA_TF and control == _COMMAND_ENDS and not length > self._most > 0
        command = position + _BOTH
        after_command: int = command + size - 2
        after_pdu = position + 6 + length
        if template is None or not is_whole or after_command > end:
            return position
        before, number, between, uid, after = template.parts(view, command)
        instance = uid.decode("latin-1").removesuffix("\0")
        if (before, between, after) != template.constants or not is_tolerable(instance):
            return position
        names = number, uid, instance
        return self._perform(view, after_command, after_pdu, template, names) or position

    def _perform(
        self,
        view: memoryview,
        at: int,
        after_pdu: int,
        template: StoreTemplate,
        names: tuple[bytes, bytes, str],
    ) -> int:
        """Perform a request whose command set ends at `at`, or begin it.

        Returns the position behind what was taken; 0: it has to go the general way.
        """
        context_id = template.context.id
        begin, stop, control = self._fragment(view, after_pdu, at, context_id)
        if control == _DATA_ENDS and self._store(view[begin:stop], template, names):
            return stop
        is_cut = control is None and at < after_pdu
        store = None if is_cut else self._begin(template, names, view[begin:stop])
        if store is None:
            return 0
        while control == _DATA:
            store.fragment(view[begin:stop])
            at = stop
            begin, stop, control = self._fragment(view, at, at, context_id)
            if stop - begin < SHORT_PDU:
                return at  # the framer joins short ones
        if control is None:
            return at
        part = PDataPart(context_id, False, True, view[begin:stop])
        self._association.engine.inbox.receive(part)
        return stop

    def _fragment(
        self, view: memoryview, stop: int, at: int, context_id: int
    ) -> tuple[int, int, int | None]:
        """Return where the fragment of a data set at `at` is, and its message control header.

        It is whole; without one, the last is None. `stop` is the end of the PDU of the command set,
        in which it may be; otherwise it is all of the PDU that follows.
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
            return 0, 0, None
        stop = begin + size - 2
        is_data = control in _FRAGMENTS and other_id == context_id
        is_whole &= begin <= stop <= end
        return (begin, stop, control) if is_whole and is_data else (0, 0, None)

    def _store(
        self, data: memoryview, template: StoreTemplate, names: tuple[bytes, bytes, str]
    ) -> bool:
        """Give a data set to the worker; False if it does not travel inline, or not at all."""
        association, (number, uid, _) = self._association, names
        shared, message_id = association.shared, int.from_bytes(number, "little")
        spool = shared.spool
        binding = self._binding(template, message_id)
        if binding is None or not 0 < len(data) <= spool.inline_max:
            return False
        if shared.settings.checks_data_sets and not self._is_of(data, template, uid):
            return False
        spool.admit()
        head, tail = template.meta
        store = PlainStore(association, template, names, message_id)
        store.payload["claim"] = {
            "token": spool.draw_token(),
            "path": None,
            "offset": template.offset,
            "size": len(data),
            "digest": digest_of(data) if binding.durable else b"",
            "synced": False,
        }
        store.data = b"".join((head, uid, tail, data))
        inbox = association.engine.inbox
        inbox.begin_whole(store, message_id)
        association.engine.transport.is_awaited = inbox.window == 1
        shared.fabric.ask(store)
        return True

    def _begin(
        self, template: StoreTemplate, names: tuple[bytes, bytes, str], first: memoryview
    ) -> ArrivingStore | None:
        """Begin a request whose data set is to come; None if it has to go the general way.

        `first`: the beginning of the data set, as far as it is there.
        """
        association, (number, uid, _) = self._association, names
        message_id, spool = int.from_bytes(number, "little"), association.shared.spool
        binding = self._binding(template, message_id)
        if binding is None:
            return None
        spool.admit()
        head, tail = template.meta
        writer = spool.create(b"".join((head, uid, tail)), digest=binding.durable)
        is_checked = association.shared.settings.checks_data_sets
        is_known = not is_checked or self._is_of(first, template, uid)
        scan = None if is_known else IdentityScan(template.context.transfer_syntax)
        store = ArrivingStore(association, template, names, message_id)
        store.await_data(writer, scan, durable=binding.durable)
        association.engine.inbox.begin_parts(store, message_id, template.context.id)
        return store

    @staticmethod
    def _is_of(data: memoryview, template: StoreTemplate, uid: bytes) -> bool:
        """Return whether a data set begins with the UIDs that its command set names."""
        told = uids_at(data, explicit=template.is_explicit)
        return told in ((template.sop_class, uid), (uid,))

    def _binding(self, template: StoreTemplate, message_id: int) -> Binding | None:
        """Return who is asked; None if the request has to wait, or somebody has to see it."""
        engine, shared = self._association.engine, self._association.shared
        if (
            engine.phase is not _ESTABLISHED
            or engine.notifications.has_messages
            or spans.recorder is not None
            or shared.pace is not None
            or not engine.inbox.has_room_for(message_id)
        ):
            return None
        return shared.fabric.binding(_NAME, template.context.abstract_syntax)


class PlainStore(Intervention):
    """One plain C-STORE: a request in the inbox, and one to a worker, of which it is the sink."""

    def __init__(
        self,
        association: Asker,
        template: StoreTemplate,
        names: tuple[bytes, bytes, str],
        message_id: int,
    ) -> None:
        self._number, self._uid, instance = names
        parameters = template.parameters.copy()
        parameters["MessageID"], parameters["AffectedSOPInstanceUID"] = message_id, instance
        # Everything that the base has, without a call.
        self.event = _NAME
        self.payload = {"request": parameters, "message_id": message_id}
        self.assoc = association.description()
        self.sink = self
        self.sop_class = template.context.abstract_syntax
        self.asker = association.holder.address
        self.shared = template.described
        self.window = self.owed = 0
        self.number = next_number()
        self.association = association
        self._template = template
        self.message_id: int = message_id
        self.began = self.arrived = association.engine.transport.last_received

    # as the fabric calls it

    def answered(self, answer: Answer) -> None:
        """Send the response."""
        engine, payload = self.association.engine, answer.payload
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
        name = self.association.engine.name
        log.warning("association=%s %s unanswered: %s", name, EVT_C_STORE, error)
        if error.poisonous:
            self.quarantine()
        failures = EVT_C_STORE.failures
        assert failures is not None
        self._respond(failures.unanswered, {"ErrorComment": str(error)})

    @property
    def _request(self) -> CStoreRQ:
        instance = self.payload["request"]["AffectedSOPInstanceUID"]
        return self._template.request_of(self.message_id, instance)

    def _respond(self, status: int, elements: dict[str, Any]) -> None:
        response = self._request.response(status, elements)
        self.association.engine.outbox.send(self._template.context.id, response)
        self._finish(status)

    def quarantine(self) -> None:
        """Put the data set aside: two workers died with it."""
        claim = Claim.from_map(self.payload["claim"])
        self.association.shared.spool.quarantine(claim, self.data)

    def _finish(self, status: int) -> None:
        self.sink = NOBODY  # it would refer to itself, and stay until the garbage is collected
        association = self.association
        association.shared.stages.finished(_NAME, self.began, self.arrived, self.given_at)
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
            self.association.shared.fabric.abandon(self)
        self.sink = NOBODY


class ArrivingStore(ArrivingDataSet, PlainStore):
    """A plain C-STORE whose data set was not whole with its command set, or is long."""

    data = None

    def perform(self) -> None:
        engine = self.association.engine
        engine.transport.is_awaited = engine.inbox.window == 1
        instance = self.payload["request"]["AffectedSOPInstanceUID"]
        self.data_ended(self._template.request.affected_sop_class_uid, instance)

    def offer(self, sealed: Sealed) -> None:
        self.payload["claim"] = sealed.claim.to_map()
        self.data = sealed.data
        self.number = next_number()
        self.association.shared.fabric.ask(self)

    def end(self, status: int, elements: dict[str, Any]) -> None:
        self._respond(status, elements)

    def _finish(self, status: int) -> None:
        super()._finish(status)
        self.let_go()

    def stop(self) -> None:
        if self.is_offered:
            super().stop()
        self.sink = NOBODY
        self.let_go()

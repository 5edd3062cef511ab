"""The MPPS worker: SCP of the three SOP classes of performed procedure steps (PS3.4 F.7 to F.9).

It is not started until the configuration has a table for it:

    [workers.mpps]
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.sdk import ConfigError, DatasetError, Worker, evt, status_with_comment
from gateway.sop_class import (
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepNotification,
    ModalityPerformedProcedureStepRetrieve,
)
from workers.archive.index import IndexFailure
from workers.archive.index.notes import StudyNote, add_note
from workers.archive.indexed_worker import IndexedWorker
from workers.archive.peer_shares import TooMany, limits
from workers.archive.procedure_steps import (
    IN_PROGRESS,
    NOTES,
    ProcedureStep,
    StepTable,
    insert,
    update,
)
from workers.archive.worker_options import options_of
from workers.mpps import step_rules as rules
from workers.mpps.step_notices import EVENT_TYPES, IS_UPDATED, StepNotices
from workers.mpps.step_outbox import CREATE, SET, StepOutbox, put
from workers.mpps.step_sender import SenderCounters, StepSender

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gateway.sdk import Event
    from workers.archive.index.grouping import Execute

SUCCESS, NOT_ALL_ATTRIBUTES = 0x0000, 0x0001
DUPLICATE, NO_SUCH_INSTANCE, RESOURCE_LIMITATION = 0x0111, 0x0112, 0x0213
"""Statuses (PS3.7 annex C, PS3.4 F.8.2.1.4)."""
NO_LONGER, NO_LONGER_ID = "Performed Procedure Step Object may no longer be updated", 0xA710
"""Error Comment and Error ID of PS3.4 Table F.7.2-2."""
UTF_8 = "ISO_IR 192"
FORGET_EVERY = 3600.0
"""Seconds between two removals of old steps."""

log = logging.getLogger("workers.mpps")

worker = Worker("mpps", concurrency=4)


@dataclass(frozen=True, slots=True)
class MppsOptions:
    """The options of `[workers.mpps]`."""

    lenient: bool = False
    """Accept steps without attributes of type 2, and changes that add attributes."""
    keep_for: float = 7_776_000.0
    """Seconds for which a step is kept after its last change: 90 days."""
    most_steps: int = 100_000
    """Steps that are kept; one peer may have a third of them."""
    most_bytes: int = 1_073_741_824
    """Their bytes in the index, shared in the same way."""
    send_to: tuple[str, ...] = ()
    """Names in `[destinations]` that each N-CREATE and N-SET is passed on to."""
    attempts: int = 10
    """A message that a destination fails so often is parked."""


def check_options(options: Mapping[str, Any], destinations: Collection[str]) -> None:
    """Raise ConfigError for an option that is wrong."""
    _options(options, lambda name: name if name in destinations else None)


def _options(options: Mapping[str, Any], destination: Callable[[str], object]) -> MppsOptions:
    given = options_of(MppsOptions, options, "mpps")
    for name in given.send_to:
        if not isinstance(name, str) or destination(name) is None:
            raise ConfigError(f"mpps: send_to names {name!r}, which is not in [destinations]")
    return given


class Performer(IndexedWorker):
    """The handlers of the MPPS worker."""

    _steps: StepTable
    _notices: StepNotices | None = None
    _sender: StepSender | None = None
    _options = MppsOptions()
    _told: frozenset[str] = frozenset()
    _forgot = float("-inf")

    def open(self) -> None:
        """Open the index, and begin to pass on what is to be passed on."""
        context = worker.context
        self._options = options = _options(context.options, context.destination)
        super().start()
        self._steps = StepTable(self.index)
        with suppress(IndexFailure):  # later, then
            self._forget()
        known = context.associations
        self._notices = StepNotices(known.established if known is not None else list)
        if options.send_to and (routes := context.routes) is not None:
            connect, title = routes.connect, self.settings.holder
            self._sender = StepSender(
                StepOutbox(self.index),
                lambda name, contexts: connect(name, title, contexts),
                options.send_to,
                options.attempts,
                SenderCounters(context.metrics),
            )
            self._sender.start()

    def _forget(self) -> None:
        """Remove steps that are old; raises IndexFailure."""
        self._forgot = time.monotonic()
        number = self._steps.forget(time.time() - self._options.keep_for)
        if number:
            log.info("forgot %d steps that are older than keep_for", number)

    def look(self) -> None:
        """Let `dicom-gateway status` show what waits, and forget steps that are old."""
        super().look()
        context, sender = worker.context, self._sender
        with suppress(IndexFailure):
            if self._notices is not None and time.monotonic() - self._forgot > FORGET_EVERY:
                self._forget()
            if sender is None:
                return
            context.facts["mpps"], troubles = sender.look()
            for name in self._told - troubles.keys():
                context.troubles.pop(name, None)
            context.troubles.update(troubles)
            self._told = frozenset(troubles)

    def close(self) -> None:
        """Close the index."""
        if self._sender is not None:
            self._sender.stop()
            self._sender = None
        if self._notices is not None:
            self._notices.close()
            self._notices = None
        super().stop()

    def create(self, event: Event) -> tuple[Any, Dataset | None]:
        """Keep a new step (PS3.4 F.7.2.1)."""
        uid = event.request.AffectedSOPInstanceUID
        if uid is None:
            return _refused(rules.MISSING_ATTRIBUTE, "No Affected SOP Instance UID (0000,1000)")
        return self._answer(event, lambda: self._create(event, str(uid)))

    def _create(self, event: Event, uid: str) -> None:
        attributes, options = event.attribute_list, self._options
        rules.check_creation(attributes, is_lenient=options.lenient)
        requestor = event.assoc.requestor
        now = time.time()
        step = ProcedureStep(
            *(uid, requestor.ae_title, requestor.address or "", now, now, _json_of(attributes), 1)
        )
        bounds = limits(options.most_steps, "steps", options.most_bytes)

        def work(execute: Execute, known: ProcedureStep | None) -> None:
            if known is not None:
                if event.attempt > 1 and known.attributes == step.attributes:
                    return  # kept by a process that died before it could answer
                raise rules.Refused(DUPLICATE, "There is a step with this UID")
            insert(execute, step, bounds)
            self._note(execute, step)
            put(execute, options.send_to, (uid, 1), CREATE, step.attributes, now)

        self._steps.change(uid, work)
        self._tell(event, step, EVENT_TYPES[IN_PROGRESS])

    def change(self, event: Event) -> tuple[Any, Dataset | None]:
        """Change a step that is in progress, or end it (PS3.4 F.7.2.2)."""
        uid = str(event.request.RequestedSOPInstanceUID)
        return self._answer(event, lambda: self._change(event, uid))

    def _change(self, event: Event, uid: str) -> None:
        given = event.modification_list
        made: list[ProcedureStep] = []

        def work(execute: Execute, known: ProcedureStep | None) -> None:
            made.clear()
            if known is None:
                raise rules.Refused(NO_SUCH_INSTANCE, "There is no step with this UID")
            changed = self._changed(event, known, given)
            if changed is None:
                made.append(known)
                return
            step, message = changed
            update(execute, step)
            if step.state != known.state:
                self._note(execute, step)
            where = uid, step.messages
            put(execute, self._options.send_to, where, SET, message, step.changed)
            made.append(step)

        self._steps.change(uid, work)
        (step,) = made
        is_updated = step.state == IN_PROGRESS
        self._tell(event, step, IS_UPDATED if is_updated else EVENT_TYPES[step.state])

    def _changed(
        self, event: Event, known: ProcedureStep, given: Dataset
    ) -> tuple[ProcedureStep, dict[str, Any]] | None:
        """Return a step with the changes of an N-SET, and these; None if it has them already."""
        before, is_lenient = known.data_set(), self._options.lenient
        if known.state != IN_PROGRESS:
            if event.attempt > 1 and _is_in(given, before):
                return None  # changed by a process that died before it could answer
            raise rules.Refused(rules.PROCESSING_FAILURE, NO_LONGER)
        changed = rules.check_change(before, given, is_lenient=is_lenient)
        before.update(changed)
        if rules.state_of(before) != IN_PROGRESS:
            rules.check_final(before, is_lenient=is_lenient)
        attributes, number = _json_of(before), known.messages + 1
        step = replace(known, attributes=attributes, changed=time.time(), messages=number)
        return step, _json_of(changed)

    def get(self, event: Event) -> tuple[Any, Dataset | None]:
        """Return the attributes that are asked for (PS3.4 F.8.2.1)."""
        try:
            step = self._steps.find(str(event.request.RequestedSOPInstanceUID))
        except IndexFailure as error:
            log.warning("association=%s N-GET failed: %s", event.assoc_name, error)
            return _refused(RESOURCE_LIMITATION, "The steps cannot be read")
        if step is None:
            return _refused(NO_SUCH_INSTANCE, "There is no step with this UID")
        attributes, asked = step.data_set(), event.attribute_identifiers
        if not asked:
            return SUCCESS, attributes
        found = Dataset()
        for tag in asked:
            if tag in attributes:
                found[tag] = attributes[tag]
        if rules.CHARACTER_SET in attributes:
            found[rules.CHARACTER_SET] = attributes[rules.CHARACTER_SET]
        is_whole = all(tag in attributes for tag in asked)
        return SUCCESS if is_whole else NOT_ALL_ATTRIBUTES, found

    def _answer(self, event: Event, work: Any) -> tuple[Any, Dataset | None]:
        try:
            work()
        except rules.Refused as refusal:
            log.warning("association=%s step refused: %s", event.assoc_name, refusal)
            return _refused(refusal.status, str(refusal), *refusal.tags)
        except DatasetError as error:
            log.warning("association=%s step refused: %s", event.assoc_name, error)
            return _refused(rules.PROCESSING_FAILURE, "The attributes cannot be read")
        except TooMany as error:
            log.warning("association=%s step refused: %s", event.assoc_name, error)
            return _refused(RESOURCE_LIMITATION, "Too many steps of this peer are kept")
        except IndexFailure as error:
            log.error("association=%s step refused: %s", event.assoc_name, error)  # noqa: TRY400 - no defect
            return _refused(RESOURCE_LIMITATION, "The step cannot be kept")
        return SUCCESS, None

    def _note(self, execute: Execute, step: ProcedureStep) -> None:
        """Add the state of a step to the journal."""
        kind, uids = NOTES[step.state], (ModalityPerformedProcedureStep, step.uid)
        for study in step.studies:
            holder = self.settings.holder_of_files
            add_note(execute, StudyNote(kind, study, "", *uids, "", holder))

    def _tell(self, event: Event, step: ProcedureStep, event_type: int) -> None:
        if self._notices is not None:
            self._notices.tell(step.uid, event_type)
        event.publish(
            evt.EVT_PROCEDURE_STEP,
            {
                "sop_instance_uid": step.uid,
                "state": step.state,
                "study_instance_uids": step.studies,
                "series_instance_uids": list(step.instances),
            },
        )

    def listen(self, event: Event) -> None:
        """Have contexts for the Notification SOP Class accepted."""


def _json_of(attributes: Dataset) -> dict[str, Any]:
    """Return the attributes in the DICOM JSON model; raises Refused for a wrong value."""
    made: dict[str, Any] = {}
    for tag in sorted(attributes.keys()):
        if tag.group < 0x0008:
            continue
        try:
            one = Dataset()
            one[tag] = attributes[tag]
            made |= one.to_json_dict()
        except Exception:  # whatever pydicom raises for a value
            raise rules.Refused(rules.INVALID_VALUE, "Invalid value", int(tag)) from None
    if not repr(made).isascii():
        made["00080005"] = {"vr": "CS", "Value": [UTF_8]}
    return made


def _is_in(given: Dataset, step: Dataset) -> bool:
    """Return whether a step has all values of a change."""
    known = _json_of(step)
    return all(known.get(tag) == value for tag, value in _json_of(given).items())


def _refused(code: int, comment: str, *tags: int) -> tuple[Any, None]:
    answer = status_with_comment(code, comment)
    if comment == NO_LONGER:
        answer.ErrorID = NO_LONGER_ID
    if tags and code in (rules.NO_SUCH_ATTRIBUTE, rules.INVALID_VALUE):
        answer.AttributeIdentifierList = list(tags)
    return answer, None


performer = Performer(worker)
worker.on_start(performer.open)
worker.on_stop(performer.close)
_STEP, _RETRIEVE = [ModalityPerformedProcedureStep], [ModalityPerformedProcedureStepRetrieve]
worker.bind(evt.EVT_N_CREATE, performer.create, sop_classes=_STEP, redeliver=True)
worker.bind(evt.EVT_N_SET, performer.change, sop_classes=_STEP, redeliver=True)
worker.bind(evt.EVT_N_GET, performer.get, sop_classes=_RETRIEVE, redeliver=True)
worker.bind(
    evt.EVT_ESTABLISHED, performer.listen, sends=[ModalityPerformedProcedureStepNotification]
)

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

from gateway.sdk import DatasetError, Worker, evt, status_with_comment
from gateway.sop_class import (
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepNotification,
    ModalityPerformedProcedureStepRetrieve,
)
from workers.archive.index import IndexFailure
from workers.archive.index.notes import StudyNote
from workers.archive.indexed_worker import IndexedWorker
from workers.archive.peer_shares import TooMany, limits
from workers.archive.procedure_steps import (
    IN_PROGRESS,
    NOTES,
    ProcedureStep,
    StepFolder,
)
from workers.archive.worker_options import options_of
from workers.mpps import step_rules as rules
from workers.mpps.step_notices import EVENT_TYPES, IS_UPDATED, StepNotices

if TYPE_CHECKING:
    from gateway.sdk import Event

SUCCESS, NOT_ALL_ATTRIBUTES = 0x0000, 0x0001
DUPLICATE, NO_SUCH_INSTANCE, RESOURCE_LIMITATION = 0x0111, 0x0112, 0x0213
"""Statuses (PS3.7 annex C, PS3.4 F.8.2.1.4)."""
NO_LONGER, NO_LONGER_ID = "Performed Procedure Step Object may no longer be updated", 0xA710
"""Error Comment and Error ID of PS3.4 Table F.7.2-2."""
UTF_8 = "ISO_IR 192"

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
    """Their bytes on disk, shared in the same way."""


class Performer(IndexedWorker):
    """The handlers of the MPPS worker."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self._unnoted: set[str] = set()
        """UIDs of steps whose state the journal does not have."""

    _folder: StepFolder
    _notices: StepNotices | None = None
    _options = MppsOptions()

    def open(self) -> None:
        """Open index and folder, and note what the last run did not."""
        context = worker.context
        self._options = options = options_of(MppsOptions, context.options, "mpps")
        super().start()
        bounds = limits(options.most_steps, "steps", options.most_bytes)
        self._folder = StepFolder(context.data_dir, durable=context.durable, limits=bounds)
        self._folder.create()
        known = context.associations
        self._notices = StepNotices(known.established if known is not None else list)
        with self._folder.changing():
            for step in self._folder.steps():
                self._settle(step)

    def look(self) -> None:
        """Note what could not be noted, as soon as the index is back."""
        super().look()
        with suppress(OSError):
            for uid in list(self._unnoted):
                with self._folder.changing():
                    step = self._folder.find(uid)
                    if step is not None and not self._note(step):
                        return
                self._unnoted.discard(uid)

    def close(self) -> None:
        """Close the index."""
        if self._notices is not None:
            self._notices.close()
            self._notices = None
        super().stop()

    def _settle(self, step: ProcedureStep) -> None:
        """Forget a step that is old, and note one that the journal does not have."""
        if time.time() - step.changed > self._options.keep_for:
            self._folder.remove(step)
        elif not step.is_noted:
            self._note(step)

    def create(self, event: Event) -> tuple[Any, Dataset | None]:
        """Keep a new step (PS3.4 F.7.2.1)."""
        uid = event.request.AffectedSOPInstanceUID
        if uid is None:
            return _refused(rules.MISSING_ATTRIBUTE, "No Affected SOP Instance UID (0000,1000)")
        return self._answer(event, lambda: self._create(event, str(uid)))

    def _create(self, event: Event, uid: str) -> None:
        attributes = event.attribute_list
        rules.check_creation(attributes, is_lenient=self._options.lenient)
        requestor = event.assoc.requestor
        now = time.time()
        step = ProcedureStep(
            *(uid, requestor.ae_title, requestor.address or "", now, now, _json_of(attributes))
        )
        with self._folder.changing():
            known = self._folder.find(uid)
            if known is not None:
                if event.attempt > 1 and known.attributes == step.attributes:
                    return  # kept by a process that died before it could answer
                raise rules.Refused(DUPLICATE, "There is a step with this UID")
            self._folder.put(step)
            self._note(step)
        self._tell(event, step, EVENT_TYPES[IN_PROGRESS])

    def change(self, event: Event) -> tuple[Any, Dataset | None]:
        """Change a step that is in progress, or end it (PS3.4 F.7.2.2)."""
        uid = str(event.request.RequestedSOPInstanceUID)
        return self._answer(event, lambda: self._change(event, uid))

    def _change(self, event: Event, uid: str) -> None:
        given = event.modification_list
        with self._folder.changing():
            known = self._folder.find(uid)
            if known is None:
                raise rules.Refused(NO_SUCH_INSTANCE, "There is no step with this UID")
            before, is_lenient = known.data_set(), self._options.lenient
            if known.state != IN_PROGRESS:
                if event.attempt > 1 and _is_in(given, before):
                    return  # changed by a process that died before it could answer
                raise rules.Refused(rules.PROCESSING_FAILURE, NO_LONGER)
            changed = rules.check_change(before, given, is_lenient=is_lenient)
            before.update(changed)
            if (state := rules.state_of(before)) != IN_PROGRESS:
                rules.check_final(before, is_lenient=is_lenient)
            is_noted = known.is_noted and state == known.state
            attributes = _json_of(before)
            step = replace(known, attributes=attributes, changed=time.time(), is_noted=is_noted)
            self._folder.put(step)
            self._note(step)
        self._tell(event, step, IS_UPDATED if state == IN_PROGRESS else EVENT_TYPES[state])

    def get(self, event: Event) -> tuple[Any, Dataset | None]:
        """Return the attributes that are asked for (PS3.4 F.8.2.1)."""
        step = self._folder.find(str(event.request.RequestedSOPInstanceUID))
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
        except OSError as error:
            log.error("association=%s step refused: %s", event.assoc_name, error.strerror)  # noqa: TRY400 - no defect
            return _refused(RESOURCE_LIMITATION, "The step cannot be kept on disk")
        return SUCCESS, None

    def _note(self, step: ProcedureStep) -> bool:
        """Add the state of a step to the journal; return False if that has to be done later."""
        if step.is_noted:
            return True
        kind, uids = NOTES[step.state], (ModalityPerformedProcedureStep, step.uid)
        holder = self.settings.holder_of_files
        try:
            for study in step.studies:
                self.index.note(StudyNote(kind, study, "", *uids, "", holder))
            self._folder.put(replace(step, is_noted=True))
        except (IndexFailure, OSError) as error:
            log.warning("step=%s is not in the journal yet: %s", step.uid, error)
            self._unnoted.add(step.uid)
            return False
        return True

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
    for element in attributes:
        if element.tag.group < 0x0008:
            continue
        try:
            one = Dataset()
            one[element.tag] = element
            made |= one.to_json_dict()
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError):
            raise rules.Refused(rules.INVALID_VALUE, "Invalid value", int(element.tag)) from None
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

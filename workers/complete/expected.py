"""Whether all instances are there that a study or series should have.

The number comes from the instance that arrived last, Number of Study Related Instances (0020,1208)
or Number of Series Related Instances (0020,1209), where a modality or archive writes them; the list
comes from the performed procedure steps that the worker `mpps` keeps.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydicom import dcmread
from pydicom.tag import Tag

from workers.archive.attributes import Level
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query
from workers.archive.procedure_steps import IN_PROGRESS, StepTable
from workers.complete.completion import COUNT, MPPS

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.index import Index, IndexEntry
    from workers.complete.completion import StudyPart

_OF_STUDY, _OF_SERIES = Tag(0x0020, 0x1208), Tag(0x0020, 0x1209)
_PAGE = 500

log = logging.getLogger("workers.complete")


@dataclass
class Expected:
    """Compares what is there with what should be."""

    index: Index
    root: Path
    """The archive of this gateway."""
    holder: str
    steps: StepTable
    counts: bool = True
    """Whether the numbers in instances are used."""
    mpps: bool = True
    """Whether performed procedure steps are used."""
    _steps_of: dict[str, set[str]] = field(default_factory=dict)

    def load(self) -> None:
        """Take note of the steps that there are; raises IndexFailure."""
        for step in self.steps.steps() if self.mpps else ():
            for study in step.studies:
                self.note(study, step.uid)

    def note(self, study: str, step: str) -> None:
        """Take note of a step of a study."""
        if self.mpps:
            self._steps_of.setdefault(study, set()).add(step)

    def why_complete(self, part: StudyPart, entry: IndexEntry) -> str:
        """Return why a part is complete by what is expected; empty: it is not, or nobody knows.

        Raises IndexFailure.
        """
        if self._is_all_of_steps(part):
            return MPPS
        expected = self._number(part, entry)
        return COUNT if expected and self._stored(part) >= expected else ""

    def _is_all_of_steps(self, part: StudyPart) -> bool:
        """Return whether all steps have ended, and everything is there that they list."""
        uids: list[str] = []
        for uid in self._steps_of.get(part.study, ()):
            step = self.steps.find(uid)
            if step is None:  # it is gone
                continue
            if step.state == IN_PROGRESS:
                return False
            for series, instances in step.instances.items():
                if part.series in ("", series):
                    uids += instances
        pages = (uids[begin : begin + _PAGE] for begin in range(0, len(uids), _PAGE))
        return bool(uids) and all(len(self.index.find_all(p)) == len(set(p)) for p in pages)

    def _number(self, part: StudyPart, entry: IndexEntry) -> int:
        if not self.counts or entry.holder != self.holder:
            return 0
        tag = _OF_SERIES if part.series else _OF_STUDY
        try:
            found = dcmread(self.root / entry.path, specific_tags=[tag], stop_before_pixels=True)
            return int(found[tag].value or 0) if tag in found else 0
        except Exception as error:  # whatever pydicom raises; without a number nothing is lost
            log.debug("path=%s has no number of instances: %s", entry.path, type(error).__name__)
            return 0

    def _stored(self, part: StudyPart) -> int:
        conditions = [one_of(Level.STUDY, "study_instance_uid", [part.study])]
        if part.series:
            conditions.append(one_of(Level.SERIES, "series_instance_uid", [part.series]))
        return self.index.count(Query(Level.IMAGE, conditions=tuple(conditions)))

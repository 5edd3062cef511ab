"""The sequence of instances that a load stores: study after study, in the shares of the mix.

Each association sends studies of its own, as a modality would. The shares of the mix hold for all
associations of a process together.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from gateway.load.instance_identity import InstanceIdentity

if TYPE_CHECKING:
    from gateway.load.template import Template


@dataclass(slots=True)
class _StudyInProgress:
    """A study of which some instances have been sent."""

    study: int
    series: int
    series_number: int = 1
    number: int = 0
    left: int = 0


class GeneratedInstances:
    """Studies of generated instances; `whole`: an association completes one before the next."""

    def __init__(self, templates: list[Template], process: int, *, whole: bool) -> None:
        self._templates = templates
        self._process = process
        self._whole = whole
        self._open: dict[tuple[int, int], _StudyInProgress] = {}
        self._last: dict[int, tuple[int, _StudyInProgress]] = {}
        self._committed = [0] * len(templates)
        self._total = sum(template.weight for template in templates)
        self._studies = count()
        self._series = count()
        self._instances = count()

    def next(self, performer: int) -> InstanceIdentity:
        """Return the next instance of this association."""
        index = self._choose(performer)
        template = self._templates[index]
        current = self._open.get((performer, index))
        if current is None:
            left = template.study[0] * template.study[1]
            current = _StudyInProgress(next(self._studies), next(self._series), left=left)
            self._open[performer, index] = current
        if current.number == template.study[1]:
            current.series, current.number = next(self._series), 0
            current.series_number += 1
        current.number += 1
        current.left -= 1
        if not current.left:
            del self._open[performer, index]
        self._last[performer] = index, current
        return InstanceIdentity(
            index,
            self._process,
            current.study,
            current.series,
            current.series_number,
            current.number,
            next(self._instances),
        )

    def study_ended(self, performer: int) -> bool:
        """Return whether the last instance of this association was the last one of a study."""
        last = self._last.get(performer)
        return last is not None and not last[1].left

    def _choose(self, performer: int) -> int:
        """Return the index of the template that is furthest behind its share."""
        if self._whole and (last := self._last.get(performer)) is not None and last[1].left:
            return last[0]
        done = sum(self._committed) + 1
        index = max(
            range(len(self._templates)),
            key=lambda i: self._templates[i].weight / self._total * done - self._committed[i],
        )
        series, instances = self._templates[index].study
        self._committed[index] += series * instances if self._whole else 1
        return index


class FileInstances:
    """The files in their order, repeated; each time as new studies."""

    def __init__(self, templates: list[Template], process: int) -> None:
        self._templates = templates
        self._process = process
        self._instances = count()
        self._studies = 1 + max(template.group[0] for template in templates)
        self._series = 1 + max(template.group[1] for template in templates)
        self._last: dict[int, int] = {}

    def next(self, performer: int) -> InstanceIdentity:
        """Return the next file; all associations share one sequence."""
        instance = next(self._instances)
        again, index = divmod(instance, len(self._templates))
        self._last[performer] = index
        study, series = self._templates[index].group
        return InstanceIdentity(
            index,
            self._process,
            again * self._studies + study,
            again * self._series + series,
            series + 1,
            index + 1,
            instance,
        )

    def study_ended(self, performer: int) -> bool:
        """Return whether the last instance of this association was the last one of a study."""
        index = self._last.get(performer)
        if index is None:
            return False
        following = self._templates[(index + 1) % len(self._templates)]
        return index + 1 == len(self._templates) or (
            following.group[0] != self._templates[index].group[0]
        )

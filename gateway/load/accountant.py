"""Compares what a peer acknowledged with what it has: in a folder of files, or by C-FIND.

An instance in a folder is compared byte for byte, because it can be made again from its identity.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.datasets import NotDicom
from gateway.datasets.instances import identify, walk
from gateway.load import journal
from gateway.load.work import templates_of
from gateway.requestor.errors import AssociationError
from gateway.requestor.proposal import Address, Proposal, Timeouts
from gateway.requestor.services import associate
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN, KEYWORDS

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.load.identity import Identity
    from gateway.load.plan import Plan
    from gateway.load.template import Pieces, Template
    from gateway.requestor.services import Association

_STUDY_ROOT_FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
_TOLD = 20
"""Problems that are told one by one."""


@dataclass(slots=True)
class Verification:
    """What the accountant found."""

    by: str
    """Where it looked."""
    acknowledged: int = 0
    """Instances that the peer has acknowledged."""
    found: int = 0
    """Of these, the ones that are there."""
    missing: int = 0
    different: int = 0
    """There, with other bytes than were sent."""
    twice: int = 0
    """There more than once."""
    unacknowledged: int = 0
    """There, of this load, without an acknowledgement: no fault of the peer."""
    failure: str = ""
    """Why it could not look."""
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.missing or self.different or self.twice or self.failure)

    def problem(self, kind: str, text: str) -> None:
        """Count a problem, and tell the first ones."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.problems) < _TOLD:
            self.problems.append(text)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "by": self.by,
            "good": self.is_good,
            "acknowledged": self.acknowledged,
            "found": self.found,
            "missing": self.missing,
            "different": self.different,
            "twice": self.twice,
            "unacknowledged": self.unacknowledged,
            "failure": self.failure,
            "problems": self.problems,
        }


class Accountant:
    """Knows what was acknowledged; the journals may be read once the load is over."""

    def __init__(self, plan: Plan, journals: Path) -> None:
        self._plan = plan
        self._templates = templates_of(plan)[0]
        self._acknowledged: dict[str, Identity] = {}
        for identity in journal.read(sorted(journals.iterdir())):
            template = self._templates[identity.template]
            uid = template.own_uid or identity.instance_uid(plan.root)
            self._acknowledged[uid] = identity

    # in a folder

    def compare_folder(self, folder: Path) -> Verification:
        """Every file below the folder is looked at; a gateway's data directory will do."""
        outcome = Verification(f"files below {folder}", len(self._acknowledged))
        seen: Counter[str] = Counter()
        pieces: dict[int, Pieces] = {}
        for path in walk([folder]):
            try:
                instance = identify(path)
            except NotDicom:
                continue
            uid = instance.sop_instance_uid
            identity = self._acknowledged.get(uid)
            if identity is None:
                outcome.unacknowledged += uid.startswith(self._plan.root)
                continue
            seen[uid] += 1
            template = self._templates[identity.template]
            if identity.template not in pieces:
                pieces[identity.template] = template.pieces(self._plan.root)
            with path.open("rb") as file:
                file.seek(instance.offset)
                data = file.read()
            syntax = instance.transfer_syntax_uid
            same = syntax == template.transfer_syntax_uid and self._is_same(
                data, template, pieces[identity.template].render(identity.values(self._plan.root))
            )
            if not same:
                outcome.problem("different", f"{path} is not as it was sent")
        self._count(outcome, seen)
        return outcome

    @staticmethod
    def _is_same(data: bytes, template: Template, head: bytes) -> bool:
        rest = memoryview(template.data)[template.head :]
        return data.startswith(head) and memoryview(data)[len(head) :] == rest

    def _count(self, outcome: Verification, seen: Counter[str]) -> None:
        for uid in self._acknowledged:
            if not seen[uid]:
                outcome.problem("missing", f"acknowledged, and not there: {uid}")
                continue
            outcome.found += 1
            if seen[uid] > 1:
                outcome.problem("twice", f"there {seen[uid]} times: {uid}")

    # by C-FIND

    async def ask(self) -> Verification:
        """Ask the peer for the instances of each series that it acknowledged some of."""
        outcome = Verification(
            f"C-FIND of {self._plan.host}:{self._plan.port}", len(self._acknowledged)
        )
        seen: Counter[str] = Counter()
        if any(template.own_uid for template in self._templates):
            outcome.failure = "instances that keep their UIDs can only be looked for in a folder"
            return outcome
        root = self._plan.root
        instances = self._acknowledged.values()
        series = {(one.study_uid(root), one.series_uid(root)) for one in instances}
        try:
            proposal = Proposal(
                ((_STUDY_ROOT_FIND, (IMPLICIT_VR_LITTLE_ENDIAN,)),), self._plan.aet, self._plan.aec
            )
            address = Address(self._plan.host, self._plan.port)
            timeouts = Timeouts.all(self._plan.timeout)
            association = await associate(address, proposal, timeouts=timeouts)
            try:
                for study_uid, series_uid in sorted(series):
                    seen.update(await self._instances(association, study_uid, series_uid))
            finally:
                await association.close()
        except AssociationError as error:
            outcome.failure = str(error)
            return outcome
        outcome.unacknowledged = sum(uid not in self._acknowledged for uid in seen)
        await asyncio.to_thread(self._count, outcome, seen)
        return outcome

    async def _instances(
        self, association: Association, study_uid: str, series_uid: str
    ) -> list[str]:
        identifier = _implicit(
            (0x00080018, b""),
            (0x00080052, b"IMAGE"),
            (0x0020000D, study_uid.encode()),
            (0x0020000E, series_uid.encode()),
        )
        operation = await association.c_find(_STUDY_ROOT_FIND, identifier)
        return [
            _value(answered.data_set, 0x00080018)
            async for answered in operation
            if answered.is_pending and answered.data_set
        ]


def _implicit(*elements: tuple[int, bytes]) -> bytes:
    """Implicit VR little endian (PS3.5 7.1.3)."""
    parts = []
    for tag, value in elements:
        padded = value + (b"\0" if value[:1].isdigit() else b" ") * (len(value) % 2)
        parts.append(struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(padded)) + padded)
    return b"".join(parts)


def _value(data: bytes, wanted: int) -> str:
    """A value at the top of an implicit VR little endian data set; empty if it is not there."""
    at = 0
    while at + 8 <= len(data):
        group, element, length = struct.unpack_from("<HHL", data, at)
        if group << 16 | element == wanted:
            return data[at + 8 : at + 8 + length].decode("latin-1").rstrip("\0 ")
        at += 8 + length
    return ""

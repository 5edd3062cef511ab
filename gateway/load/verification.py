"""Compare the instances that a peer acknowledged with what it has: files, or results of C-FIND.

A file is compared byte for byte, because the instance can be made again from its identity.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.association.errors import AssociationError
from gateway.association.timers import Timeouts
from gateway.datasets import NotDicom
from gateway.datasets.instances import identify, walk
from gateway.load import journal
from gateway.load.load_operations import templates_of
from gateway.part10.elements import LITTLE, text_of
from gateway.requestor.proposal import Proposal
from gateway.requestor.requestor_association import associate
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN, KEYWORDS

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.datasets.instances import Instance
    from gateway.load.instance_identity import InstanceIdentity
    from gateway.load.load_plan import Plan
    from gateway.load.template import Pieces, Template
    from gateway.requestor.requestor_association import RequestorAssociation

_STUDY_ROOT_FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
_LISTED = 20
"""Problems that are listed; the others are only counted."""


@dataclass(slots=True)
class Verification:
    """The result of a comparison."""

    by: str
    """The files or the peer that were searched."""
    acknowledged: int = 0
    """Instances that the peer acknowledged."""
    found: int = 0
    """Acknowledged instances that were found."""
    missing: int = 0
    different: int = 0
    """Files whose data set is not what was sent."""
    twice: int = 0
    """Instances that were found more than once."""
    unacknowledged: int = 0
    """Instances of this load that were found but not acknowledged, which is not an error."""
    failure: str = ""
    """Why nothing could be compared."""
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.missing or self.different or self.twice or self.failure)

    def problem(self, kind: str, text: str) -> None:
        """Count a problem; list the first ones."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.problems) < _LISTED:
            self.problems.append(text)

    def document(self) -> dict[str, Any]:
        """Return the result as values that JSON can carry."""
        return {"by": self.by, "good": self.is_good, **asdict(self)}


class Verifier:
    """Reads the journals of a load that has ended, and compares them with what is stored."""

    def __init__(self, plan: Plan, journals: Path) -> None:
        self._plan = plan
        self._templates = templates_of(plan)[0]
        self._acknowledged: dict[str, InstanceIdentity] = {}
        for identity in journal.read(sorted(journals.iterdir())):
            template = self._templates[identity.template]
            uid = template.own_uid or identity.instance_uid(plan.root)
            self._acknowledged[uid] = identity

    # files

    def compare_folder(self, folder: Path) -> Verification:
        """Compare every file below a directory, such as a gateway's data directory."""
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
            if identity.template not in pieces:
                template = self._templates[identity.template]
                pieces[identity.template] = template.pieces(self._plan.root)
            head = pieces[identity.template].render(identity.values(self._plan.root))
            if not self._is_same(path, instance, self._templates[identity.template], head):
                outcome.problem("different", f"{path} differs from what was sent")
        self._count(outcome, seen)
        return outcome

    @staticmethod
    def _is_same(path: Path, instance: Instance, template: Template, head: bytes) -> bool:
        with path.open("rb") as file:
            file.seek(instance.offset)
            data = file.read()
        rest = memoryview(template.data)[template.head :]
        return (
            instance.transfer_syntax_uid == template.transfer_syntax_uid
            and data.startswith(head)
            and memoryview(data)[len(head) :] == rest
        )

    def _count(self, outcome: Verification, seen: Counter[str]) -> None:
        for uid in self._acknowledged:
            if not seen[uid]:
                outcome.problem("missing", f"acknowledged but not found: {uid}")
                continue
            outcome.found += 1
            if seen[uid] > 1:
                outcome.problem("twice", f"found {seen[uid]} times: {uid}")

    # C-FIND

    async def query(self) -> Verification:
        """Query the peer for the instances of each series of which it acknowledged any."""
        outcome = Verification(
            f"C-FIND of {self._plan.host}:{self._plan.port}", len(self._acknowledged)
        )
        seen: Counter[str] = Counter()
        if any(template.own_uid for template in self._templates):
            outcome.failure = "instances with their own UIDs can be verified in a directory only"
            return outcome
        root = self._plan.root
        instances = self._acknowledged.values()
        series = {(one.study_uid(root), one.series_uid(root)) for one in instances}
        try:
            association = await self._associate()
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

    async def _associate(self) -> RequestorAssociation:
        plan = self._plan
        contexts = ((_STUDY_ROOT_FIND, (IMPLICIT_VR_LITTLE_ENDIAN,)),)
        proposal = Proposal(contexts, plan.aet, plan.aec)
        address = plan.address()
        return await associate(address, proposal, timeouts=Timeouts.all(plan.timeout))

    async def _instances(
        self, association: RequestorAssociation, study_uid: str, series_uid: str
    ) -> list[str]:
        identifier = _implicit(
            (0x00080018, b""),
            (0x00080052, b"IMAGE"),
            (0x0020000D, study_uid.encode()),
            (0x0020000E, series_uid.encode()),
        )
        operation = await association.c_find(_STUDY_ROOT_FIND, identifier)
        return [
            _value(received.data_set, 0x00080018)
            async for received in operation
            if received.is_pending and received.data_set
        ]


def _implicit(*elements: tuple[int, bytes]) -> bytes:
    """Encode elements in implicit VR little endian (PS3.5 7.1.3)."""
    parts = []
    for tag, value in elements:
        padded = value + (b"\0" if value[:1].isdigit() else b" ") * (len(value) % 2)
        parts.append(struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(padded)) + padded)
    return b"".join(parts)


def _value(data: bytes, wanted: int) -> str:
    """Return a top-level value of an implicit VR little endian data set; empty if absent."""
    at = 0
    while header := LITTLE.header(data, at, explicit=False):
        begin, at = at + header.size, at + header.size + header.length
        if header.tag == wanted:
            return text_of(data[begin:at])
    return ""

"""What a destination is asked about is what it was sent: other UIDs after a transform."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets import BASIC_SYNTAXES
from gateway.datasets.coding import decode, encode
from tests.archive.conftest import entry
from workers.archive.outbox_rows import QueuedInstance, SentUids
from workers.forward.confirmation import CommitmentRequest, found_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SYNTAX = BASIC_SYNTAXES[-1]


@dataclass
class Association:
    """An association whose peer finds all that it is asked for."""

    asked: list[Dataset] = field(default_factory=list)
    accepted_contexts: dict[int, Any] = field(
        default_factory=lambda: {1: SimpleNamespace(transfer_syntax=SYNTAX)}
    )

    def c_find(self, _model: str, encoded: Callable[[str], bytes]) -> Iterator[Any]:
        asked = decode(encoded(SYNTAX), SYNTAX)
        self.asked.append(asked)
        match = Dataset()
        match.SOPInstanceUID = asked.SOPInstanceUID
        data = encode(match, SYNTAX)
        yield SimpleNamespace(is_pending=True, data_set=data, status=0xFF00)
        yield SimpleNamespace(is_pending=False, data_set=b"", status=0)


def rows() -> list[QueuedInstance]:
    plain = QueuedInstance(entry("1.1"), "PACS", "all", "1.3", "1.2")
    changed = QueuedInstance(entry("1.1"), "PACS", "all", "1.3", "1.2")
    changed.sent_as = SentUids("2.1", "2.2", "2.3")
    return [plain, changed]


def test_it_is_searched_for_under_the_uids_that_were_sent() -> None:
    association: Any = Association()
    assert found_by(association, rows()) == {"1.1", "2.1"}
    asked = [(one.StudyInstanceUID, one.SeriesInstanceUID) for one in association.asked]
    assert asked == [("1.3", "1.2"), ("2.3", "2.2")]


def test_storage_commitment_is_asked_for_what_was_sent() -> None:
    references = CommitmentRequest(rows()).information().ReferencedSOPSequence
    assert [one.ReferencedSOPInstanceUID for one in references] == ["1.1", "2.1"]

"""What an N-ACTION asks for, and what index and files say to it."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from workers.archive.index import IndexEntry
from workers.archive.stored_files import StoredFiles
from workers.commitment.report import (
    ALL_COMMITTED,
    SOME_FAILED,
    CommittableInstances,
    InvalidRequest,
    transaction_of,
)

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"


def item(sop_class=CT, uid="1.2.3.1") -> Dataset:
    one = Dataset()
    one.ReferencedSOPClassUID = sop_class
    one.ReferencedSOPInstanceUID = uid
    return one


def asked(*items: Dataset, uid="1.2.9") -> Dataset:
    information = Dataset()
    information.TransactionUID = uid
    information.ReferencedSOPSequence = list(items)
    return information


def entry(uid: str, path: str, size: int = 10, holder: str = "") -> IndexEntry:
    return IndexEntry(uid, CT, "1.2.840.10008.1.2", path, 0, size, b"", holder)


class Index:
    """The rows that a test gives."""

    def __init__(self, *entries: IndexEntry) -> None:
        self.rows = {one.sop_instance_uid: one for one in entries}
        self.asked: list[int] = []

    def originals(self, _sop_instance_uids):
        return []

    def find_all(self, uids):
        self.asked.append(len(uids))
        return {uid: self.rows[uid] for uid in uids if uid in self.rows}


def report_of(tmp_path, index, *items, holder="", shared=False):
    transaction = transaction_of(asked(*items), "MODALITY", "GATEWAY")
    archive = CommittableInstances(StoredFiles(tmp_path / "archive"), index, holder, shared=shared)
    return archive.report(transaction)


def uids(information: Dataset, keyword: str) -> list[str]:
    return [one.ReferencedSOPInstanceUID for one in information.get(keyword, ())]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "archive").mkdir()
    for name, size in (("whole", 10), ("cut", 4)):
        (tmp_path / "archive" / name).write_bytes(bytes(size))
    return tmp_path


def test_all_are_committed_to(files):
    index = Index(entry("1.2.3.1", "whole"))
    event_type, information, failed = report_of(files, index, item())
    assert (event_type, failed) == (ALL_COMMITTED, 0)
    assert information.TransactionUID == "1.2.9"
    assert information.RetrieveAETitle == "GATEWAY"
    assert uids(information, "ReferencedSOPSequence") == ["1.2.3.1"]
    assert "FailureReason" not in information.ReferencedSOPSequence[0]
    assert "FailedSOPSequence" not in information


def test_each_failure_has_its_reason(files):
    index = Index(
        *(entry(f"1.2.3.{n}", path) for n, path in enumerate(("whole", "whole", "cut", "gone")))
    )
    items = item(uid="1.2.3.0"), item(MR, "1.2.3.1"), item(uid="1.2.3.2"), item(uid="1.2.3.3")
    event_type, information, failed = report_of(files, index, *items, item(uid="1.2.3.4"))
    assert (event_type, failed) == (SOME_FAILED, 4)
    assert uids(information, "ReferencedSOPSequence") == ["1.2.3.0"]
    assert [
        (one.ReferencedSOPInstanceUID, one.FailureReason) for one in information.FailedSOPSequence
    ] == [
        ("1.2.3.1", 0x0119),
        ("1.2.3.2", 0x0110),
        ("1.2.3.3", 0x0110),
        ("1.2.3.4", 0x0112),
    ]


@pytest.mark.parametrize(("shared", "failed"), [(False, 0), (True, 1)])
def test_the_files_of_another_gateway_are_looked_at_only_where_they_are_shared(
    files, shared, failed
):
    index = Index(entry("1.2.3.1", "gone", holder="OTHER"))
    told = report_of(files, index, item(), holder="MINE", shared=shared)
    assert told.failed == failed


def test_many_are_looked_up_in_pages(files):
    index = Index()
    told = report_of(files, index, *(item(uid=f"1.2.3.{n}") for n in range(1201)))
    assert told.failed == 1201
    assert index.asked == [500, 500, 201]


@pytest.mark.parametrize(
    ("information", "why"),
    [
        (None, "no action information"),
        (Dataset(), "no Transaction UID"),
        (asked(), "no Referenced SOP Sequence"),
        (asked(item(), uid=""), "no Transaction UID"),
        (asked(item(), item(uid="")), "item 2 of"),
        (asked(item(""), item()), "item 1 of"),
    ],
)
def test_what_is_missing_is_named(information, why):
    with pytest.raises(InvalidRequest, match=why):
        transaction_of(information, "MODALITY", "GATEWAY")

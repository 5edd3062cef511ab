"""The accountant finds every kind of violation, and nothing where all is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.accountant import Accountant, read_stored
from tests.peers import instances, wire

if TYPE_CHECKING:
    from pathlib import Path


class Books:
    """An archive on disk and the accountant that looks at it."""

    def __init__(self, folder: Path) -> None:
        self.archive = folder / "archive" / "20240131" / "000000"
        self.spool = folder / "spool"
        self.archive.mkdir(parents=True)
        (self.spool / "incoming" / "0").mkdir(parents=True)
        (self.spool / "ready").mkdir()
        self.accountant = Accountant()
        self.instance = instances.make()

    def send(self, *statuses: int) -> None:
        self.accountant.sending(self.instance)
        for status in statuses:
            self.accountant.told(self.instance.uid, status)

    def file(self, content: bytes | None = None, name: str = "0a1b2c.dcm") -> Path:
        path = self.archive / name
        path.write_bytes(self.instance.part10() if content is None else content)
        return path

    def found(self) -> list[str]:
        violations = self.accountant.violations(self.archive, spool=self.spool)
        return [violation.invariant for violation in violations]


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007])
def test_acknowledged_and_stored_is_fine(books: Books, status: int) -> None:
    books.send(status)
    books.file()
    assert books.found() == []
    books.accountant.check(books.archive, spool=books.spool)


@pytest.mark.parametrize("status", [0x0000, 0xB000])
def test_i1_acknowledged_but_not_on_disk(books: Books, status: int) -> None:
    books.send(status)
    assert books.found() == ["I1"]


def test_i1_and_i3_acknowledged_but_one_bit_differs(books: Books) -> None:
    books.send(0x0000)
    content = bytearray(books.instance.part10())
    content[-1] ^= 1
    books.file(bytes(content))
    assert books.found() == ["I1", "I3"]


def test_i1_sent_once_but_there_twice(books: Books) -> None:
    books.send(0x0000)
    books.file()
    books.file(name="other.dcm")
    assert books.found() == ["I1"]
    assert books.accountant.duplicates(books.archive) == {books.instance.uid: 2}


def test_sent_again_after_a_broken_association_may_be_there_twice(books: Books) -> None:
    books.send()
    books.send(0x0000)
    books.file()
    books.file(name="other.dcm")
    assert books.found() == []


def test_refused_and_not_stored_is_fine(books: Books) -> None:
    books.send(0xA700)
    assert books.found() == []


@pytest.mark.parametrize("keep", [0, 100, 132, 150, 200])
def test_i3_file_cut_off_in_its_meta_information(books: Books, keep: int) -> None:
    books.send()
    books.file(books.instance.part10()[:keep])
    assert books.found() == ["I3"]


def test_i3_file_cut_off_in_its_data_set(books: Books) -> None:
    books.send()
    books.file(books.instance.part10()[:-2])
    assert books.found() == ["I3"]


def test_i3_file_that_nobody_sent(books: Books) -> None:
    books.file()
    assert books.found() == ["I3"]


def test_i3_file_meta_with_another_transfer_syntax(books: Books) -> None:
    books.send(0x0000)
    explicit, longer = wire.uid_value(wire.EXPLICIT), wire.uid_value(wire.IMPLICIT + ".9")
    books.file(books.instance.part10().replace(explicit, longer))
    assert books.found() == ["I3"]


def test_i3_file_meta_with_another_class(books: Books) -> None:
    books.send(0x0000)
    content = books.instance.part10()
    at = content.index(wire.CT.encode())
    end = at + len(wire.CT)
    books.file(content[:at] + wire.MR.encode() + content[end:])
    assert books.found() == ["I3"]


def test_i4_two_final_responses_to_one_request(books: Books) -> None:
    books.send(0x0000, 0x0000)
    books.file()
    assert books.found() == ["I4"]


def test_i4_success_where_a_fault_forbids_it(books: Books) -> None:
    books.send(0x0000)
    books.file()
    books.accountant.must_fail(books.instance.uid, "the disk was full")
    assert books.found() == ["I4"]


@pytest.mark.parametrize("place", ["incoming/0/x.part", "ready/x", "quarantine/x"])
def test_i6_something_left_in_the_spool(books: Books, place: str) -> None:
    path = books.spool / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    assert books.found() == ["I6"]


def test_i6_locks_and_empty_folders_are_no_leftovers(books: Books) -> None:
    (books.spool / "incoming" / "0" / "lock").touch()
    assert books.found() == []


def test_report_names_every_violation(books: Books) -> None:
    books.send(0x0000)
    path = books.file(b"nothing", "junk.dcm")
    with pytest.raises(AssertionError) as caught:
        books.accountant.check(books.archive)
    assert "2 violations" in str(caught.value)
    assert books.instance.uid in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("syntax", instances.TRANSFER_SYNTAXES.values())
def test_reads_files_of_every_transfer_syntax(books: Books, syntax: str) -> None:
    books.instance = instances.make(syntax)
    stored = read_stored(books.file())
    assert (stored.uid, stored.sop_class) == (books.instance.uid, wire.CT)
    assert stored.transfer_syntax == syntax
    assert stored.digest == books.instance.digest

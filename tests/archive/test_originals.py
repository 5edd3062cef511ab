"""What was received before a transform, in both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.archive.conftest import entry, kept
from workers.archive.index.originals import KeptOriginal, Original

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.archive.index import Index, IndexEntry

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


def original(uid: str = "9.1", digest: bytes = b"d" * 32) -> Original:
    return Original(uid, CT, EXPLICIT, 512, digest)


def note(index: Index, one: Original, of: IndexEntry) -> None:
    index.note_originals([(one, (of.holder, of.path))])


def add(index: Index, uid: str = "1.1", **how: str) -> IndexEntry:
    made = entry(uid, **how)
    index.add(made, kept(uid))
    return made


def test_nothing_is_known_of_what_was_not_noted(index: Index) -> None:
    assert index.originals([]) == index.originals(["9.1"]) == []


def test_what_is_kept_is_found_by_the_received_uid(open_index: Callable[[], Index]) -> None:
    index = open_index()
    stored = entry("1.1")
    note(index, original(), stored)
    waiting = KeptOriginal(original(), stored.holder, stored.path, None)
    assert index.originals(["9.1", "9.2"]) == [waiting]
    add(index)
    assert open_index().originals(["9.1"]) == [waiting._replace(entry=stored)]


def test_several_contents_of_one_uid(index: Index) -> None:
    one, other = original(), original(digest=b"e" * 32)
    stored, aside = add(index), entry("1.1", b"x", path="conflicts/20260101/000000000-0/x.dcm")
    index.set_aside(aside)
    note(index, one, stored)
    note(index, other, aside)
    assert {k.original: k.entry for k in index.originals(["9.1"])} == {one: stored, other: aside}
    index.drop_conflict(aside)
    assert [k.original for k in index.originals(["9.1"])] == [one]


def test_a_later_note_replaces_an_earlier_one(index: Index) -> None:
    stored = add(index)
    note(index, original(), entry("1.7"))
    note(index, original(), stored)
    assert [k.entry for k in index.originals(["9.1"])] == [stored]


def test_the_file_of_another_holder_is_another_file(index: Index) -> None:
    add(index)
    note(index, original(), entry("1.1", holder="THERE"))
    assert [k.entry for k in index.originals(["9.1"])] == [None]


def test_what_is_removed_is_forgotten(index: Index) -> None:
    note(index, original(), add(index))
    note(index, original("9.2"), add(index, "1.2"))
    index.remove(["1.1"])
    index.forget("1.2")
    assert index.originals(["9.1", "9.2"]) == []


def test_what_is_replaced_is_forgotten(index: Index) -> None:
    note(index, original(), add(index))
    index.add(entry("1.1", b"new", path="20260101/000000000-0/new.dcm"), kept(), replace=True)
    assert index.originals(["9.1"]) == []


def test_a_file_that_takes_the_place_of_another_is_found(index: Index) -> None:
    stored = add(index)
    note(index, original(), stored)
    moved = stored._replace(path="20260101/000000000-0/moved.dcm")
    index.relocate(moved)
    assert [k.entry for k in index.originals(["9.1"])] == [moved]


def test_a_rebuild_keeps_what_was_noted(index: Index) -> None:
    stored = add(index)
    note(index, original(), stored)
    index.begin_rebuild(stored.holder, anew=True)
    assert [k.entry for k in index.originals(["9.1"])] == [None]
    add(index)
    assert [k.entry for k in index.originals(["9.1"])] == [stored]

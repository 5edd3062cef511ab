"""How lines of the journal become groups, and what becomes of their senders."""

from __future__ import annotations

from collections import Counter

from workers.archive.index.records import IndexEntry, JournalEntry
from workers.audit.arrivals import GRACE, LONGEST, ArrivalOrigin, Arrivals

CT = "1.2.840.10008.5.1.4.1.1.2"
ORIGIN = ArrivalOrigin("a1", "CT1", "GATEWAY", "10.0.0.7", "10.0.0.1")


def line(seq: int, uid: str = "", *, kind: str = "stored", study: str = "1.2", holder: str = ""):
    entry = IndexEntry(uid or f"1.{seq}", CT, "1.2.840.10008.1.2", "p", 0, 1, b"", holder)
    return JournalEntry(seq, kind, 100.0, entry, study, "1.2.1")


def taken(arrivals: Arrivals, *lines: JournalEntry, late: bool = True) -> bool:
    return arrivals.read(lines, now=0.0, wall=100.0 + (GRACE if late else 0.0))


def ended(arrivals: Arrivals) -> list:
    """Return the groups of an association after the journal was read once more."""
    found = list(arrivals.due(0.0, at_end=True))
    return found + list(arrivals.due(0.0, at_end=True))


def test_instances_of_a_study_on_one_association_are_one_group() -> None:
    arrivals = Arrivals("")
    for seq in (1, 2, 3):
        arrivals.sent_by(f"1.{seq}", ORIGIN)
    assert taken(arrivals, line(1), line(2), line(3, study="1.3"), late=False)
    assert ended(arrivals) == [], "the association goes on"
    assert (arrivals.position, arrivals.told) == (3, 0)
    arrivals.association_ended("a1")
    first, second = ended(arrivals)
    assert (first.origin, first.study, first.sop_classes) == (ORIGIN, "1.2", Counter({CT: 2}))
    assert second.study == "1.3"
    assert arrivals.told == 3


def test_an_association_is_complete_only_after_the_next_reading() -> None:
    arrivals = Arrivals("")
    arrivals.sent_by("1.1", ORIGIN)
    arrivals.association_ended("a1")
    taken(arrivals, line(1))
    assert list(arrivals.due(0.0, at_end=True)) == []
    assert len(list(arrivals.due(0.0, at_end=True))) == 1


def test_a_line_waits_a_moment_for_its_sender_and_no_longer() -> None:
    arrivals = Arrivals("")
    assert not taken(arrivals, line(1), late=False)
    assert arrivals.position == 0
    assert taken(arrivals, line(1))
    (group,) = arrivals.due(0.0, at_end=True)
    assert group.origin is None


def test_a_long_association_is_told_in_parts() -> None:
    arrivals = Arrivals("")
    arrivals.sent_by("1.1", ORIGIN)
    taken(arrivals, line(1))
    assert len(list(arrivals.due(LONGEST + 1, at_end=False))) == 1


def test_what_was_removed_has_no_sender() -> None:
    arrivals = Arrivals("")
    assert taken(arrivals, line(1, kind="removed"), line(2, kind="removed"), late=False)
    (group,) = arrivals.due(0.0, at_end=True)
    assert (group.kind, group.origin, group.sop_classes) == ("removed", None, Counter({CT: 2}))


def test_lines_of_other_gateways_are_theirs() -> None:
    arrivals = Arrivals("HERE")
    assert taken(arrivals, line(1, holder="THERE"), line(2, holder="HERE", kind="removed"))
    (group,) = arrivals.due(0.0, at_end=True)
    assert group.first == 2


def test_with_shared_files_the_gateway_that_received_tells() -> None:
    arrivals = Arrivals("", is_shared=True)
    arrivals.sent_by("1.2", ORIGIN)
    assert taken(arrivals, line(1), line(2))
    (group,) = arrivals.due(0.0, at_end=True, everything=True)
    assert group.first == 2


def test_lines_that_are_about_no_instances_are_not_told() -> None:
    arrivals = Arrivals("")
    assert taken(arrivals, line(1, kind="complete"), line(2, kind="some_later_kind"), late=False)
    assert list(arrivals.due(0.0, at_end=True)) == []
    assert (arrivals.position, arrivals.told) == (2, 2)


def counted(seq: int, kind: str, about: str, number: int) -> JournalEntry:
    entry = IndexEntry("", CT, "", about, 0, number, b"", "")
    return JournalEntry(seq, kind, 100.0, entry, "1.2", "")


def test_what_went_somewhere_is_counted_for_each_place() -> None:
    arrivals = Arrivals("")
    lines = (
        *(counted(1, "sent", "PACS", 3), counted(2, "sent", "FAR", 2)),
        *(counted(3, "sent", "PACS", 4), counted(4, "exported", "jane /tmp/x y", 5)),
    )
    assert taken(arrivals, *lines, late=False)
    found = [(one.kind, one.about, one.sop_classes[CT]) for one in arrivals.due(0.0, at_end=True)]
    assert found == [("sent", "PACS", 7), ("sent", "FAR", 2), ("exported", "jane /tmp/x y", 5)]


def test_each_step_is_a_group_of_its_own() -> None:
    arrivals = Arrivals("")
    kinds = ("step_in_progress", "step_completed", "step_in_progress")
    lines = [
        line(n, uid, kind=kind) for n, (uid, kind) in enumerate(zip("AAB", kinds, strict=True))
    ]
    assert taken(arrivals, *lines, late=False)
    found = [(one.kind, one.about) for one in arrivals.due(0.0, at_end=True)]
    assert found == list(zip(kinds, "AAB", strict=True))

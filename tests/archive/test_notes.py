"""Lines of the journal about studies, in both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.archive.conftest import entry, kept
from workers.archive.index.notes import COMPLETE, StudyNote

STEP = "1.2.840.10008.3.1.2.3.3"


def done(series: str = "") -> StudyNote:
    return StudyNote(COMPLETE, "1.3", series, reason="quiet", holder="GW")


def last(index) -> int:
    return index.journal()[-1].seq


def kinds(index) -> list[tuple[str, str, str]]:
    return [(one.kind, one.study_instance_uid, one.series_instance_uid) for one in index.journal()]


def test_a_note_has_what_it_is_about(index):
    index.note(StudyNote("step_completed", "1.3", "", STEP, "9.9", "", "GW"))
    (line,) = index.journal()
    assert (line.kind, line.study_instance_uid, line.series_instance_uid) == (
        *("step_completed", "1.3", ""),
    )
    found = line.entry
    assert (found.sop_class_uid, found.sop_instance_uid, found.holder) == (STEP, "9.9", "GW")
    assert index.find("9.9") is None


def test_a_completion_is_written_once_for_what_has_arrived(index):
    index.add(entry("1.1"), kept("1.1"))
    seen = last(index)
    assert index.complete(done(), seen)
    assert not index.complete(done(), seen)
    (*_, line) = index.journal()
    assert (line.kind, line.entry.path, line.entry.holder) == (COMPLETE, "quiet", "GW")
    index.add(entry("1.2"), kept("1.2"))
    assert not index.complete(done(), seen), "something has arrived that was not seen"
    assert index.complete(done(), last(index))
    assert [kind for kind, *_ in kinds(index)] == ["stored", COMPLETE, "stored", COMPLETE]


def test_a_series_is_completed_by_itself(index):
    index.add(entry("1.1"), kept("1.1", "2.1", "2.2"))
    seen = last(index)
    (line,) = index.journal()
    of_series = StudyNote(COMPLETE, line.study_instance_uid, line.series_instance_uid)
    assert of_series.series_instance_uid
    other = of_series._replace(series_instance_uid="7.7.7")
    assert index.complete(other, seen)
    assert index.complete(of_series, seen)
    assert not index.complete(of_series, seen)
    index.add(entry("1.9"), kept("1.9", "2.1", "2.2"))
    assert not index.complete(of_series, seen)
    assert index.complete(of_series._replace(series_instance_uid="8.8.8"), seen)


def test_of_several_processes_one_writes_it(open_index):
    many = [open_index() for _ in range(4)]
    many[0].add(entry("1.1"), kept("1.1"))
    seen = last(many[0])
    with ThreadPoolExecutor(len(many)) as threads:
        written = list(threads.map(lambda index: index.complete(done(), seen), many))
    assert written.count(True) == 1
    assert [kind for kind, *_ in kinds(many[0])] == ["stored", COMPLETE]

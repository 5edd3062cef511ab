"""Which parts are due: the quiet period, what comes later, what a restart has to read."""

from __future__ import annotations

from tests.workers.complete.journals import line
from workers.complete.completion import Completion, StudyPart


def test_a_study_is_due_when_nothing_came_for_the_quiet_period():
    studies = Completion(quiet=60)
    studies.read([line(1, "A", at=100), line(2, "B", at=130), line(3, "A", at=150)], now=150)
    assert studies.due(189.9) == []
    assert studies.due(190) == [StudyPart("B")]
    assert studies.due(210) == [StudyPart("A"), StudyPart("B")]


def test_it_is_open_until_the_journal_says_that_it_is_complete():
    studies = Completion(quiet=60)
    studies.read([line(1, "A")], now=100)
    studies.read([line(2, "A", "", "complete")], now=161)
    assert studies.due(1000) == []
    studies.read([line(3, "A")], now=200)
    assert studies.due(1000) == [StudyPart("A")]


def test_what_came_after_the_line_was_written_keeps_it_open():
    studies = Completion(quiet=60)
    studies.read([line(2, "A"), line(1, "A", "", "complete")], now=100)
    assert studies.due(1000) == [StudyPart("A")]


def test_series_are_told_of_where_that_is_asked_for():
    studies = Completion(quiet=60, with_series=True)
    studies.read([line(1, "A", "1", at=100), line(2, "A", "2", at=140)], now=140)
    assert studies.due(165) == [StudyPart("A", "1")]
    studies.read([line(3, "A", "1", "complete")], now=165)
    assert set(studies.due(1000)) == {StudyPart("A"), StudyPart("A", "2")}


def test_lines_about_other_things_open_nothing():
    studies = Completion(quiet=60, with_series=True)
    kinds = "removed", "conflict", "assigned", "step_completed"
    studies.read([line(number, "A", kind=kind) for number, kind in enumerate(kinds, 1)], now=100)
    studies.read([line(9, "", "")], now=100)
    assert studies.open == {}
    assert studies.cursor == 9


def test_a_clock_that_is_ahead_postpones_nothing():
    studies = Completion(quiet=60)
    studies.read([line(1, "A", at=1e9)], now=100)
    assert studies.due(160) == [StudyPart("A")]


def test_a_restart_reads_from_the_oldest_last_arrival():
    studies = Completion(quiet=60)
    lines = [line(1, "A"), line(2, "B"), line(3, "A"), line(4, "C"), line(5, "C", "", "complete")]
    studies.read(lines, now=100)
    assert studies.cursor == 1
    again = Completion(quiet=60)
    again.read(lines[studies.cursor :], now=100)
    assert {part: one.last for part, one in again.open.items()} == {
        StudyPart("A"): 3,
        StudyPart("B"): 2,
    }
    studies.read([line(6, "A", "", "complete"), line(7, "B", "", "complete")], now=100)
    assert studies.cursor == 7


def test_counts_are_compared_once_for_each_arrival():
    studies = Completion(quiet=60)
    studies.read([line(1, "A"), line(2, "A"), line(3, "B")], now=100)
    assert [part for part, _ in studies.changed()] == [StudyPart("A"), StudyPart("B")]
    assert list(studies.changed()) == []
    studies.read([line(4, "B")], now=100)
    assert [part for part, _ in studies.changed()] == [StudyPart("B")]
    studies.look_again("A")
    assert [part for part, _ in studies.changed()] == [StudyPart("A")]

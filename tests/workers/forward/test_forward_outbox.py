"""The outbox in both databases: what is put in is taken once, and comes back if its taker dies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.archive.conftest import entry, kept
from workers.archive.index import IndexFailure
from workers.archive.outbox_control import OutboxControl
from workers.archive.outbox_rows import (
    HIGHEST,
    LOWEST,
    PARKED,
    QueuedInstance,
    Selection,
    SentUids,
)
from workers.forward import outcome_recorder
from workers.forward.forward_outbox import LEASE, ForwardOutbox
from workers.forward.outcome_recorder import OutcomeRecorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.archive.index import Index


def queued(uid: str, destination: str = "PACS", **values) -> QueuedInstance:
    values = {"study_instance_uid": "1.3", "series_instance_uid": "1.2", "queued": 1.0} | values
    return QueuedInstance(entry(uid), destination, "all", **values)


@pytest.fixture
def outbox(index: Index) -> ForwardOutbox:
    return ForwardOutbox(index)


def uids(rows: list[QueuedInstance]) -> list[str]:
    return [row.entry.sop_instance_uid for row in rows]


def test_a_row_has_what_was_put_in(outbox: ForwardOutbox) -> None:
    put = queued("1.1", priority=LOWEST, alternatives=("B", "C"), reason="why")
    put.transform, put.sent_as = ("one", "two"), SentUids("2.1", "2.2", "2.3")
    outbox.add([put])
    (taken,) = outbox.take("PACS", ["HERE"], "me", 10)
    put.id, put.owner = taken.id, "me"
    assert taken == put


def test_it_is_noted_what_an_instance_was_sent_as(outbox: ForwardOutbox) -> None:
    outbox.add([queued("1.1")])
    (taken,) = outbox.take("PACS", ["HERE"], "me", 10)
    assert taken.at_destination == SentUids("1.1", "1.2", "1.3")
    taken.sent_as, taken.due = SentUids("2.1", "", ""), 0.0
    outbox.settle([], [taken])
    (again,) = outbox.take("PACS", ["HERE"], "me", 10)
    assert again.at_destination == SentUids("2.1", "", "")


def test_what_is_taken_is_not_taken_again_before_its_lease_is_over(
    outbox: ForwardOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.add([queued(f"1.{n}") for n in range(5)])
    assert uids(outbox.take("PACS", ["HERE"], "a", 3)) == ["1.0", "1.1", "1.2"]
    assert uids(outbox.take("PACS", ["HERE"], "b", 3)) == ["1.3", "1.4"]
    assert outbox.take("PACS", ["HERE"], "c", 3) == []
    later = outbox.now() + LEASE + 1
    monkeypatch.setattr(outbox, "now", lambda: later)
    assert len(outbox.take("PACS", ["HERE"], "c", 10)) == 5


def test_a_renewed_lease_lasts_longer(
    outbox: ForwardOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.add([queued("1.1"), queued("1.2")])
    first, second = outbox.take("PACS", ["HERE"], "a", 2)
    begun = outbox.now()
    monkeypatch.setattr(outbox, "now", lambda: begun + LEASE - 1)
    outbox.renew([first.id], "a")
    outbox.renew([second.id], "another")  # whose it is not
    monkeypatch.setattr(outbox, "now", lambda: begun + LEASE + 1)
    assert uids(outbox.take("PACS", ["HERE"], "b", 2)) == ["1.2"]


def test_higher_priority_and_earlier_rows_go_first(outbox: ForwardOutbox) -> None:
    now = outbox.now()
    outbox.add(
        [
            queued("1.1", due=now - 1),
            queued("1.2", due=now - 2),
            queued("1.3", priority=HIGHEST, due=now - 1),
            queued("1.4", priority=LOWEST),
            queued("1.5", due=now + 60),
            queued("1.6", "OTHER"),
        ]
    )
    assert uids(outbox.take("PACS", ["HERE"], "a", 10)) == ["1.3", "1.2", "1.1", "1.4"]


def test_rows_of_other_holders_are_taken_only_when_asked_for(outbox: ForwardOutbox) -> None:
    foreign = queued("1.1")
    foreign.entry = foreign.entry._replace(holder="THERE")
    foreign.due = outbox.now() - 30
    outbox.add([foreign])
    assert outbox.take("PACS", ["HERE"], "a", 10) == []
    assert outbox.take("PACS", ["THERE"], "a", 10, late=60) == []
    assert uids(outbox.take("PACS", ["HERE", "THERE"], "a", 10, late=10)) == ["1.1"]


def test_settled_rows_are_gone_or_as_they_were_given_back(outbox: ForwardOutbox) -> None:
    outbox.add([queued("1.1"), queued("1.2"), queued("1.3")])
    first, second, third = outbox.take("PACS", ["HERE"], "a", 3)
    second.state, second.reason, second.attempts = PARKED, "refused", 1
    third.destination, third.alternatives = "OTHER", ("PACS",)
    outbox.settle([first.id], [second, third])
    assert outbox.take("PACS", ["HERE"], "a", 3) == []
    assert uids(outbox.take("OTHER", ["HERE"], "a", 3)) == ["1.3"]


def test_a_row_that_another_one_has_taken_meanwhile_is_left_to_it(
    outbox: ForwardOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.add([queued("1.1")])
    (first,) = outbox.take("PACS", ["HERE"], "a", 1)
    begun = outbox.now()
    monkeypatch.setattr(outbox, "now", lambda: begun + LEASE + 1)
    assert outbox.take("PACS", ["HERE"], "b", 1)
    outbox.settle([], [first])
    assert outbox.take("PACS", ["HERE"], "c", 1) == []


def test_a_reader_of_the_journal_begins_at_its_end(index: Index, outbox: ForwardOutbox) -> None:
    index.add(entry("1.1"), kept("1.1"))
    begin = outbox.position("forward")
    assert index.journal(begin) == []
    index.add(entry("1.2"), kept("1.2"))
    (line,) = index.journal(begin)
    assert outbox.put("forward", begin, line.seq, [queued("1.2")])
    assert not outbox.put("forward", begin, line.seq, [queued("1.2")])  # another one was faster
    assert outbox.position("forward") == line.seq
    assert uids(outbox.take("PACS", ["HERE"], "a", 9)) == ["1.2"]


def test_one_leads_until_its_lease_is_over(
    outbox: ForwardOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outbox.lead("PACS", "a")
    assert outbox.lead("PACS", "a")
    assert not outbox.lead("PACS", "b")
    begun = outbox.now()
    monkeypatch.setattr(outbox, "now", lambda: begun + LEASE + 1)
    assert outbox.lead("PACS", "b")
    assert not outbox.lead("PACS", "a")


def test_two_hosts_never_take_the_same_row(open_index: Callable[[], Index]) -> None:
    one, other = ForwardOutbox(open_index()), ForwardOutbox(open_index())
    one.add([queued(f"1.{n}") for n in range(40)])
    taken: list[str] = []
    while rows := one.take("PACS", ["HERE"], "a", 7) + other.take("PACS", ["HERE"], "b", 5):
        taken += uids(rows)
    assert len(taken) == len(set(taken)) == 40


def test_operators_see_retry_and_drop_rows(index: Index, outbox: ForwardOutbox) -> None:
    outbox.add([queued("1.1"), queued("1.2", state=PARKED), queued("1.3", "OTHER")])
    control = OutboxControl(index)
    control.suspend("OTHER", True)
    states = control.states()
    assert (states["PACS"].waiting, states["PACS"].parked) == (1, 1)
    assert states["OTHER"].suspended
    assert not states["PACS"].suspended
    assert uids(control.rows(Selection(state=PARKED), 10)) == ["1.2"]
    assert uids(control.rows(Selection(study_instance_uid="1.3", destination="OTHER"), 10)) == [
        "1.3"
    ]
    assert control.retry(Selection(state=PARKED)) == 1
    assert sorted(uids(outbox.take("PACS", ["HERE"], "a", 10))) == ["1.1", "1.2"]
    assert control.retry(Selection(destination="PACS")) == 0  # under way
    assert control.drop(Selection()) == 3
    control.suspend("OTHER", False)
    assert control.states() == {}


def test_a_retry_is_told_once_to_those_who_have_the_files(
    index: Index, outbox: ForwardOutbox
) -> None:
    outbox.add([queued("1.1", due=1.0), queued("1.2", due=1.0), queued("1.3", "OTHER", due=1.0)])
    assert not outbox.take_hurry("PACS", ["HERE"])
    assert OutboxControl(index).retry(Selection(destination="PACS")) == 2
    assert not outbox.take_hurry("OTHER", ["HERE"])
    assert not outbox.take_hurry("PACS", ["ELSEWHERE"])
    assert outbox.take_hurry("PACS", ["ELSEWHERE", "HERE"])
    assert not outbox.take_hurry("PACS", ["HERE"])
    assert {row.due > 1.0 for row in OutboxControl(index).rows(Selection("PACS"), 10)} == {True}
    assert sorted(uids(outbox.take("PACS", ["HERE"], "a", 10))) == ["1.1", "1.2"]


def test_retention_keeps_what_is_in_the_outbox(index: Index, outbox: ForwardOutbox) -> None:
    index.add(entry("1.1"), kept("1.1"))
    outbox.add([queued("1.1")])
    assert index.study_state("1.3", "HERE").held_by == ("outbox",)


def test_only_rows_that_another_destination_may_get_are_diverted(outbox: ForwardOutbox) -> None:
    outbox.add([queued("1.1"), queued("1.2", alternatives=("B",))])
    assert uids(outbox.take_divertible("PACS", ["HERE"], "a", 10)) == ["1.2"]


def test_the_journal_tells_what_was_sent_where(outbox: ForwardOutbox, index: Index) -> None:
    rows = [queued(f"1.{number}", name) for number, name in enumerate("AAB")]
    recorder = OutcomeRecorder(outbox, "HERE")
    for one in rows:
        recorder.note_sent(one)
        recorder.remove(one)
    recorder.start()
    recorder.stop()
    lines = [line for line in index.journal() if line.kind == "sent"]
    told = [(line.entry.path, line.entry.size, line.entry.holder) for line in lines]
    assert told == [("A", 2, "HERE"), ("B", 1, "HERE")]


@pytest.mark.parametrize("error", [IndexFailure("away"), RuntimeError("a defect")])
def test_outcomes_that_cannot_be_written_are_written_later(
    outbox: ForwardOutbox, index: Index, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    outbox.add([queued("1.1")])
    (row,) = outbox.take("PACS", ["HERE"], "a", 1)
    settle, errors = outbox.settle, [error]

    def failing(*given: Any) -> None:
        if errors:
            raise errors.pop()
        settle(*given)

    monkeypatch.setattr(outbox, "settle", failing)
    monkeypatch.setattr(outcome_recorder, "_PAUSE", 0.01)
    recorder = OutcomeRecorder(outbox, "HERE")
    recorder.start()
    recorder.remove(row)
    recorder.stop()
    assert OutboxControl(index).rows(Selection(), 10) == []


def test_no_statement_reads_rows_that_it_does_not_mean(index: Index) -> None:
    asked: dict[str, tuple] = {}

    def noting(method):
        def run(work):
            def noted(execute):
                def one(text, values=()):
                    asked[text] = tuple(values)
                    return execute(text, values)

                return work(one)

            return method(noted)

        return run

    noted = SimpleNamespace(
        ask=noting(index.ask),
        change=noting(index.change),
        clock=index.clock,
        names_holders=index.names_holders,
    )
    outbox = ForwardOutbox(noted)
    outbox.put("forward", outbox.position("forward"), 7, [queued(f"1.{n}") for n in range(9)])
    outbox.add([queued("2.1", alternatives=("B",))])
    (given, done, *rest) = outbox.take("PACS", ["HERE"], "me", 4)
    outbox.take("PACS", ["HERE"], "me", 2, 60.0)
    outbox.renew([given.id], "me")
    outbox.settle([done.id], [given])
    outbox.assign(rest, "1.2.9")
    outbox.asked("1.2.9")
    outbox.first("PACS", ["HERE"], 2)
    outbox.take_divertible("PACS", ["HERE"], "me", 9)
    outbox.lead("PACS", "me")
    outbox.take_hurry("PACS", ["HERE"])
    assert len(asked) > 14
    for text, values in asked.items():
        if "outbox" in text and not text.startswith("INSERT"):
            assert not scans(index, text, values), text


def scans(index: Index, text: str, values: tuple) -> list[str]:
    """The steps of a statement's plan that read a table, or sort what they have read."""
    if not index.names_holders:
        plan = index.ask(lambda execute: execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall())
        return [row[3] for row in plan if row[3].startswith(("SCAN", "USE TEMP"))]

    def explain(execute):
        execute("SET LOCAL enable_seqscan = off")  # else a table of ten rows is always read whole
        return execute(f"EXPLAIN {text}", values).fetchall()

    return [row[0] for row in index.change(explain) if "Seq Scan" in row[0]]

"""What a peer asks about is not deleted before it has the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.archive.conftest import entry, kept
from workers.archive.index import SqliteIndex
from workers.archive.index.records import IndexFailure
from workers.commitment.held_instances import HeldInstances
from workers.commitment.transactions import Transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ASKED = Transaction("7.1", "CT1", "GATEWAY", 0.0, (("1.2", "9.1"), ("1.2", "9.9")))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    with SqliteIndex(tmp_path / "index.sqlite") as opened:
        opened.add(entry("9.1"), kept("9.1", "2.1", "1.1"))
        yield opened


def held_by(index: SqliteIndex) -> tuple[str, ...]:
    return index.study_state("1.1", "HERE").held_by


def test_held_from_the_first_report_on_until_it_is_over(index):
    seen = []
    held = HeldInstances(index, "commitment HERE")
    report = held.then(lambda asked: seen.append((asked, held_by(index))))
    report(ASKED)
    report(ASKED)
    assert seen == [(ASKED, (f"commitment HERE {ASKED.name}",))] * 2
    held.let_go(ASKED.name)
    assert held_by(index) == ()


def test_a_start_lets_go_of_what_is_over_and_of_nothing_else(index):
    for owner in ("commitment HERE", "commitment HEREBY", "forward HERE"):
        index.hold(f"{owner} gone", ["9.1"])
    index.hold("commitment HERE open", ["9.1"])
    HeldInstances(index, "commitment HERE").keep_only(["open"])
    names = ("commitment HERE open", "commitment HEREBY gone", "forward HERE gone")
    assert held_by(index) == names


def test_an_index_that_fails_is_told_and_tried_at_the_next_start(index, caplog, monkeypatch):
    held = HeldInstances(index, "commitment HERE")
    held.then(lambda asked: asked)(ASKED)

    def fail(owner: str) -> None:
        raise IndexFailure("away")

    monkeypatch.setattr(index, "let_go", fail)
    held.let_go(ASKED.name)
    assert "still held" in caplog.text

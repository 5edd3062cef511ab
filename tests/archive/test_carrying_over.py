"""A rebuild of the index keeps the outbox, and has readers of the journal read nothing twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.settings import ArchiveSettings
from tests.archive.conftest import entry
from tests.workers.holdings import instance
from workers.archive.index import SqliteIndex
from workers.archive.index.carrying_over import carry_over
from workers.archive.layout import FOLDER
from workers.archive.opening import open_index
from workers.archive.outbox_control import OutboxControl
from workers.archive.outbox_rows import QueuedInstance, Selection
from workers.archive.procedure_steps import ProcedureStep, StepTable, insert
from workers.archive.reindex import Reindex
from workers.forward.forward_outbox import ForwardOutbox
from workers.mpps.step_outbox import CREATE, StepOutbox, put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request) -> ArchiveSettings:
    if request.param == "sqlite":
        return ArchiveSettings()
    return ArchiveSettings(dsn=request.getfixturevalue("postgres_schema"), holder="HERE")


def write(data: Path, uid: str) -> None:
    name = f"20260101-093000123-0-{int(uid[-1]):024x}.dcm"
    path = data / FOLDER / "20260101/093000123-0" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    made = instance(SOPInstanceUID=uid, StudyInstanceUID="3.1", SeriesInstanceUID="2.1")
    path.write_bytes(made.part10())


def reindex(data: Path, settings: ArchiveSettings) -> None:
    for _ in Reindex(data, settings, processes=1, anew=True):
        pass


def test_the_outbox_and_the_place_in_the_journal_outlive_a_rebuild(
    tmp_path: Path, settings: ArchiveSettings
) -> None:
    reader = f"forward {settings.holder_of_files}".strip()
    for uid in ("1.1", "1.2"):
        write(tmp_path, uid)
    reindex(tmp_path, settings)
    with open_index(tmp_path, settings) as index:
        outbox = ForwardOutbox(index)
        first, _ = index.journal()
        begin = outbox.position(reader)
        index.read_to(reader, first.seq)  # the second one is not read yet
        row = QueuedInstance(first.entry, "PACS", "all", "3.1", "2.1", queued=1.0)
        assert outbox.put(reader, first.seq, first.seq, [replace(row)])
        assert begin > first.seq
        OutboxControl(index).suspend("PACS", True)
        step = ProcedureStep("9.9", "CT1", "", 1.0, 1.0, {}, 1)
        StepTable(index).change("9.9", lambda execute, _: insert(execute, step))
        index.change(lambda execute: put(execute, ("RIS",), ("9.9", 1), CREATE, {"x": 1}, 1.0))
    reindex(tmp_path, settings)
    with open_index(tmp_path, settings) as index:
        control, outbox = OutboxControl(index), ForwardOutbox(index)
        (kept,) = control.rows(Selection(), 10)
        assert (kept.entry, kept.destination) == (first.entry, "PACS")
        assert control.suspended() == {"PACS"}
        assert StepTable(index).find("9.9").peer == "CT1"
        assert [one.uid for one in StepOutbox(index).rows()] == ["9.9"]
        unread = index.journal(outbox.position(reader))
        assert [line.entry.sop_instance_uid for line in unread] == ["1.2"]


def test_the_outbox_of_an_earlier_version_has_fewer_columns(tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite"
    with SqliteIndex(old) as index:
        row = QueuedInstance(entry("1.1"), "PACS", "all", "3.1", "2.1", queued=1.0)
        ForwardOutbox(index).add([row])
    with closing(sqlite3.connect(old)) as database:
        for column in ("transform", "sent_as"):
            database.execute(f"ALTER TABLE outbox DROP COLUMN {column}")
    with SqliteIndex(tmp_path / "new.sqlite") as index:
        carry_over(old, index)
        (kept,) = OutboxControl(index).rows(Selection(), 10)
    assert (kept.destination, kept.transform, kept.sent_as) == ("PACS", (), None)

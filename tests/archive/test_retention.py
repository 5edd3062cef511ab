"""Which studies retention deletes, and that it leaves what is young, held, or not seen yet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.errors import ConfigError
from gateway.sdk import WorkerContext
from gateway.settings import RetentionSettings
from tests.archive.conftest import entry, kept
from tests.archive.test_command import archive as archive
from tests.conftest import short_folder
from tests.peers.process import Gateway, run_cli
from tests.workers.test_storage import Running, offer
from workers.archive import old_studies
from workers.archive.old_studies import AGE, HELD, SPACE, OldStudy, Retention, SteadyClock
from workers.archive.stored_files import StoredFiles
from workers.retention import keeper, worker

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.index import Index

NOW = 1_800_000_000.0
HOUR = 3600.0
BY_AGE = RetentionSettings(max_age=10 * HOUR, min_age=HOUR)


class Aged:
    """An archive with instances that were received some hours ago."""

    def __init__(self, root: Path, index: Index) -> None:
        self.root, self.index = root, index
        self.free = 1 << 40

    def add(self, study: str, uid: str, hours: float, *, holder: str = "HERE", **texts: str):
        received = f"{int((NOW - hours * HOUR) * 1e6):013x}"
        name = f"20260101/000000000-0/20260101-000000000-0-{received}{int(uid[2:]):024x}.dcm"
        one = entry(uid, path=name, holder=holder)._replace(received=received)
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        self.index.add(one, kept(uid, f"{study}.1", study, **texts))
        return path

    def retention(self, settings: RetentionSettings) -> Retention:
        return Retention(
            StoredFiles(self.root), self.index, "HERE", settings, lambda: NOW, lambda _: self.free
        )

    def run(self, settings: RetentionSettings = BY_AGE, *, dry: bool = False) -> list[OldStudy]:
        return list(self.retention(settings).run(dry=dry))

    def studies(self) -> set[str]:
        return {one.study_instance_uid for one in self.index.studies()}


@pytest.fixture
def aged(tmp_path: Path, index: Index) -> Aged:
    return Aged(tmp_path, index)


def names(found: list[OldStudy]) -> list[tuple[str, str]]:
    return [(one.study_instance_uid, one.why) for one in found]


def test_a_study_goes_when_its_newest_instance_is_old(aged):
    old = [aged.add("1.1", "9.1", 20), aged.add("1.1", "9.2", 11)]
    half = [aged.add("1.2", "9.3", 20), aged.add("1.2", "9.4", 9)]
    assert names(aged.run(dry=True)) == [("1.1", AGE)]
    assert aged.studies() == {"1.1", "1.2"}
    (gone,) = aged.run()
    assert (gone.instances, gone.received) == (2, NOW - 11 * HOUR)
    assert aged.studies() == {"1.2"}
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in half)
    assert aged.index.to_delete("HERE") == []
    assert [line.kind for line in aged.index.journal()][-2:] == ["removed", "removed"]
    assert aged.run() == []


def test_the_oldest_go_while_the_disk_is_short(aged):
    sizes = {}
    for number, hours in enumerate((5, 4, 3, 0.5)):
        aged.add(f"1.{number}", f"9.{number}", hours)
        sizes[number] = entry(f"9.{number}").size
    settings = RetentionSettings(min_free=1000, min_age=HOUR)
    aged.free = 1000 - sizes[0] - 1
    assert names(aged.run(settings, dry=True)) == [("1.0", SPACE), ("1.1", SPACE)]
    aged.free = 0
    assert names(aged.run(settings, dry=True)) == [(f"1.{n}", SPACE) for n in range(3)]
    found = []
    for one in aged.retention(settings).run():
        found.append(one.study_instance_uid)
        aged.free += 600
    assert (found, aged.studies()) == (["1.0", "1.1"], {"1.2", "1.3"})


def test_min_age_is_stronger_than_max_age(aged):
    aged.add("1.1", "9.1", 20)
    assert aged.run(replace(BY_AGE, min_age=21 * HOUR)) == []
    assert aged.run(replace(BY_AGE, min_free=1 << 50, min_age=21 * HOUR)) == []


def test_a_clock_that_is_set_ahead_makes_nothing_old(aged):
    now, running = [NOW], [5.0]
    clock = SteadyClock(lambda: now[0], lambda: running[0])
    aged.add("1.1", "9.1", 9)
    retention = replace(aged.retention(BY_AGE), clock=clock)
    now[0] += 8760 * HOUR
    assert clock.ahead == 8760 * HOUR
    assert list(retention.run()) == []
    now[0], running[0] = now[0] + 2 * HOUR, running[0] + 2 * HOUR
    assert names(list(retention.run())) == [("1.1", AGE)]
    now[0] = NOW - HOUR  # set back, it is believed
    assert (clock(), clock.ahead) == (NOW - HOUR, -3 * HOUR)


def test_the_worker_tells_that_the_clock_was_set_ahead(monkeypatch, caplog):
    now = [NOW]
    monkeypatch.setattr(keeper, "_clock", SteadyClock(lambda: now[0], lambda: 0.0), raising=False)
    assert keeper._leap() == ""
    now[0] += 48 * HOUR
    assert "set ahead by 48 hours" in keeper._leap()
    assert "start the gateway again" in caplog.text


def test_what_a_worker_needs_stays(aged):
    aged.add("1.1", "9.1", 20)
    aged.add("1.1", "9.2", 20)
    aged.add("1.2", "9.3", 20)
    aged.index.hold("commitment x", ["9.2", "8.8"])
    aged.index.hold("other", ["9.2"])
    first, second = aged.run()
    assert (first.why, first.held_by, second.why) == (HELD, ("commitment x", "other"), AGE)
    assert aged.studies() == {"1.1"}
    aged.index.let_go("commitment x")
    assert names(aged.run()) == [("1.1", HELD)]
    aged.index.let_go("other")
    assert names(aged.run()) == [("1.1", AGE)]


def test_what_a_reader_of_the_journal_has_not_seen_stays(aged):
    aged.add("1.1", "9.1", 20)
    seen = aged.index.journal()[-1].seq
    aged.add("1.2", "9.2", 20)
    aged.index.read_to("forward", seen - 1)
    aged.index.read_to("forward", seen)
    found = aged.run()
    assert sorted(names(found)) == [("1.1", AGE), ("1.2", HELD)]
    assert [one.held_by for one in found if one.why == HELD] == [("forward",)]
    aged.index.read_to("forward", None)
    assert names(aged.run()) == [("1.2", AGE)]


def test_a_study_of_two_patients_is_one(aged):
    aged.add("1.1", "9.1", 20, PatientID="A")
    aged.add("1.1", "9.2", 2, PatientID="B")
    assert aged.run() == []


def test_instances_without_a_study_are_left(aged):
    aged.add("", "9.1", 20)
    assert aged.run() == []


def test_what_comes_meanwhile_keeps_the_rest_of_its_study(aged, monkeypatch):
    monkeypatch.setattr(old_studies, "_MOST", 1)
    aged.add("1.1", "9.1", 20)
    aged.add("1.1", "9.2", 20)
    genuine = aged.index.remove_unused

    def and_then_another(*arguments: object):
        removed = genuine(*arguments)
        aged.add("1.1", "9.3", 0)
        return removed

    monkeypatch.setattr(aged.index, "remove_unused", and_then_another)
    assert names(aged.run()) == [("1.1", AGE)]
    assert [e.sop_instance_uid for e in aged.index.everything()] == ["9.2", "9.3"]


@pytest.mark.parametrize("open_index", ["postgres"], indirect=True)
def test_each_gateway_deletes_its_own(aged):
    aged.add("1.1", "9.1", 20)
    other = aged.add("1.1", "9.2", 20, holder="THERE")
    aged.add("1.2", "9.3", 20, holder="THERE")
    assert names(aged.run()) == [("1.1", AGE)]
    assert other.exists()
    assert aged.studies() == {"1.1", "1.2"}


def test_the_command_tells_and_deletes(archive, tmp_path):
    config = tmp_path / "gateway.toml"

    def run(*arguments: str, settings: str = ""):
        config.write_text(f"[retention]\n{settings}")
        program = run_cli(
            "archive", "retention", *arguments, "--data", archive.data, "--config", config
        )
        return program.popen.returncode, program.out.text + program.err.text

    status, text = run()
    assert status != 0
    assert "max_age and min_free are 0" in text
    due = "max_age = 0.001\nmin_age = 0.0\n"
    assert run(settings="max_age = 86400.0\n")[1].startswith("0 studies, 0 instances")
    status, text = run("--dry-run", settings=due)
    assert status == 0
    assert "1 studies, 10 instances" in text
    assert "would be deleted" in text
    assert len(list(archive.root.rglob("*.dcm"))) == 10
    status, text = run(settings=due)
    assert status == 0
    assert text.splitlines()[-1].endswith(" deleted")
    assert list(archive.root.rglob("*.dcm")) == []


def test_the_worker_deletes_once_it_is_in_the_configuration():
    with short_folder() as folder:
        data = folder / "data"
        with Running(data) as running:
            assert running.ask(offer(None)) == 0x0000
        config = "[retention]\nmax_age = 0.001\nmin_age = 0.0\nevery = 1.0\n[workers.retention]\n"
        gateway = Gateway(folder, config=config)
        try:
            gateway.program.err.wait_for(r"study=\S+ deleted for its age: 1 instances")
            assert list(data.rglob("*.dcm")) == []
            assert gateway.stop() == 0, gateway.program.report()
        finally:
            gateway.close()


def test_the_worker_without_a_limit_is_refused_in_words(tmp_path, monkeypatch):
    options = {"archive": {}, "retention": {"max_age": 0.0, "min_free": 0}}
    monkeypatch.setattr(worker, "_context", WorkerContext(tmp_path, options=options))
    with pytest.raises(ConfigError, match="set one of them"):
        keeper.open()
    assert list(tmp_path.iterdir()) == []

"""What a route has transformed: sent as the worker says, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.datasets import Instance
from gateway.sdk import InstanceFile, NotTransformed
from tests.archive.conftest import entry
from tests.peers import instances
from workers.archive.outbox_rows import QueuedInstance, SentUids
from workers.forward.outcomes import SendOutcome, SendVerdict
from workers.forward.route_transform import FOLDER, RouteTransform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Answer = Callable[[InstanceFile, Path], InstanceFile | NotTransformed]


class Asked:
    """Stands for the workers: answers as a test says, and keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.workers: Sequence[str] = ()
        self.files: list[InstanceFile] = []

    def __call__(
        self, workers: Sequence[str], files: Sequence[InstanceFile], folder: Path
    ) -> list[InstanceFile | NotTransformed]:
        self.workers, self.files = workers, list(files)
        return [self.answer(one, folder) for one in files]


def changed(file: InstanceFile, folder: Path, *, inline: bool) -> InstanceFile:
    """What a worker makes of it: another instance."""
    made = instances.make()
    whole = made.part10()
    offset = len(whole) - len(made.data_set)
    path = None if inline else folder / "result.part"
    if path is not None:
        path.write_bytes(whole)
    claim = file.claim._replace(path=path and str(path), offset=offset, size=len(made.data_set))
    return file._replace(claim=claim, data=whole if inline else None, sop_instance_uid=made.uid)


@pytest.fixture
def stored(tmp_path: Path) -> Instance:
    one = instances.make()
    path = tmp_path / "stored.dcm"
    path.write_bytes(one.part10())
    offset = len(one.part10()) - len(one.data_set)
    uids = one.sop_class, one.uid, one.transfer_syntax
    return Instance(*uids, len(one.data_set), path, offset)


@pytest.fixture
def row() -> QueuedInstance:
    found = QueuedInstance(entry("1.1"), "PACS", "all", transform=("one", "two"))
    found.id = 7
    return found


def begun(asked: Asked, tmp_path: Path) -> RouteTransform:
    return RouteTransform.begin(asked, tmp_path, lambda _name: True)


@pytest.mark.parametrize("inline", [True, False])
def test_the_result_is_sent(
    tmp_path: Path, stored: Instance, row: QueuedInstance, inline: bool
) -> None:
    asked = Asked(lambda file, folder: changed(file, folder, inline=inline))
    transform = begun(asked, tmp_path)
    made = transform.apply(row, stored)
    assert isinstance(made, Instance)
    assert asked.workers == ("one", "two")
    assert asked.files[0].claim.path == str(stored.path)
    assert made.sop_instance_uid != stored.sop_instance_uid
    assert len(made.read()) == made.size
    assert row.sent_as is not None
    assert row.sent_as.sop_instance_uid == made.sop_instance_uid
    assert row.sent_as.study_instance_uid != ""
    assert len(list(transform.folder.iterdir())) == (0 if inline else 1)
    transform.discard(row)
    assert not list(transform.folder.iterdir())


def test_what_stays_as_it_is_is_sent_from_the_archive(
    tmp_path: Path, stored: Instance, row: QueuedInstance
) -> None:
    row.sent_as = SentUids("2.1", "", "")
    assert begun(Asked(lambda file, _: file), tmp_path).apply(row, stored) is stored
    assert row.sent_as is None


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("refused", SendVerdict.PARK),
        ("raised", SendVerdict.PARK),
        ("unanswered", SendVerdict.AGAIN),
        ("invalid", SendVerdict.AGAIN),
    ],
)
def test_what_cannot_be_transformed_is_not_sent(
    tmp_path: Path, stored: Instance, row: QueuedInstance, kind: str, verdict: SendVerdict
) -> None:
    error = NotTransformed("one", "no", kind=kind)
    error.elements = {"ErrorComment": "burned in"}
    found = begun(Asked(lambda _file, _folder: error), tmp_path).apply(row, stored)
    assert found == SendOutcome(verdict, "transform by worker one: no: burned in")


def test_a_result_that_is_gone_is_not_sent(
    tmp_path: Path, stored: Instance, row: QueuedInstance
) -> None:
    def lost(file: InstanceFile, folder: Path) -> InstanceFile:
        made = changed(file, folder, inline=False)
        (folder / "result.part").unlink()
        return made

    found = begun(Asked(lost), tmp_path).apply(row, stored)
    assert isinstance(found, SendOutcome)
    assert found.verdict is SendVerdict.AGAIN


def test_results_of_processes_that_died_are_deleted(tmp_path: Path) -> None:
    for name in ("11", "12", "odd"):
        (tmp_path / FOLDER / name).mkdir(parents=True)
        (tmp_path / FOLDER / name / "result.part").touch()
    transform = RouteTransform.begin(Asked(lambda file, _: file), tmp_path, "/11".__eq__)
    left = {one.name for one in (tmp_path / FOLDER).iterdir()}
    assert left == {"12", transform.folder.name}

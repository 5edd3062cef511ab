"""From the journal to the outbox: by conditions, hooks and modes, and each line once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from gateway.part10 import file_meta
from gateway.sdk import ConfigError
from gateway.settings import ForwardRoute as Route
from tests.archive.conftest import entry, kept
from workers.archive.outbox_control import OutboxControl
from workers.archive.outbox_rows import HIGHEST, Selection
from workers.archive.stored_files import StoredFiles
from workers.forward.filling import Filling, RouteTable
from workers.forward.forward_outbox import ForwardOutbox

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.index import Index

KNOWN = ("A", "B", "C")


def filling(index: Index, root: Path, *routes: Route) -> Filling:
    table = RouteTable(routes, KNOWN.__contains__)
    made = Filling(index, ForwardOutbox(index), table, StoredFiles(root), "HERE")
    made.position = made.outbox.position(made.reader)
    return made


def add(index: Index, *uids: str, holder: str = "HERE", **texts: str) -> None:
    for uid in uids:
        index.add(entry(uid, holder=holder), kept(uid, **texts))


def queued(index: Index) -> list[tuple[str, str]]:
    rows = OutboxControl(index).rows(Selection(), 1000)
    return [(row.entry.sop_instance_uid, row.destination) for row in rows]


def test_each_line_is_put_in_once(index: Index, tmp_path: Path) -> None:
    made = filling(index, tmp_path, Route(destinations=("A", "B")), Route(destinations=("B",)))
    add(index, "1.1", "1.2")
    assert made.step() == (2, {"A", "B"})
    assert made.step() == (0, frozenset())
    assert queued(index) == [("1.1", "A"), ("1.1", "B"), ("1.2", "A"), ("1.2", "B")]
    index.remove(["1.1"])
    assert made.step() == (1, frozenset())
    assert made.matched == {"route 1": 4}


def test_of_two_routes_to_one_destination_one_with_a_transform_counts(
    index: Index, tmp_path: Path
) -> None:
    routes = Route(destinations=("A", "B")), Route(destinations=("B",), transform=("deidentify",))
    made = filling(index, tmp_path, *routes)
    add(index, "1.1")
    made.step()
    rows = OutboxControl(index).rows(Selection(), 1000)
    found = {row.destination: row.transform for row in rows}
    assert found == {"A": (), "B": ("deidentify",)}


def test_what_another_gateway_has_is_left_to_it(index: Index, tmp_path: Path) -> None:
    made = filling(index, tmp_path, Route(destinations=("A",)))
    add(index, "1.1", holder="THERE")
    add(index, "1.2")
    made.step()
    assert queued(index) == [("1.2", "A")]


def test_conditions_see_attributes_and_the_peer(index: Index, tmp_path: Path) -> None:
    made = filling(
        *(index, tmp_path),
        Route(when='Modality == "CT" and PatientID == "P1"', destinations=("A",)),
        Route(when='StudyDescription like "*knee*"', destinations=("B",), priority="high"),
        Route(when='calling == "CT1" and address == "10.0.0.7"', destinations=("C",), delay=60.0),
    )
    add(index, "1.1")
    add(index, "1.2", study="1.4", Modality="MR", StudyDescription="left knee")
    path = tmp_path / entry("1.1").path
    path.parent.mkdir(parents=True)
    path.write_bytes(file_meta("1.2", "1.1", "1.2", "CT1", "GATEWAY", "10.0.0.7") + b"data")
    made.step()
    assert queued(index) == [("1.1", "A"), ("1.1", "C"), ("1.2", "B")]
    a, c, b = OutboxControl(index).rows(Selection(), 10)
    assert b.priority == HIGHEST
    assert c.due - a.due == 60.0
    assert (a.study_instance_uid, a.series_instance_uid) == ("1.3", "1.2")


def test_turns_and_alternatives(index: Index, tmp_path: Path) -> None:
    made = filling(
        *(index, tmp_path),
        Route(destinations=("A", "B"), mode="round_robin"),
    )
    add(index, "1.1", "1.2", "1.3")
    made.step()
    rows = OutboxControl(index).rows(Selection(), 10)
    found = [(row.destination, row.alternatives) for row in rows]
    assert found == [("A", ("B",)), ("B", ("A",)), ("A", ("B",))]


HOOK = """
def choose(facts):
    if facts["SOPInstanceUID"] == "1.3":
        raise RuntimeError("a defect")
    return {"1.1": ["B", "nowhere"], "1.2": False, "1.4": True}[facts["SOPInstanceUID"]]

not_a_function = 3
"""


def test_a_hook_decides_and_one_that_fails_sends(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forward_test_hook.py").write_text(HOOK)
    monkeypatch.syspath_prepend(tmp_path)
    made = filling(index, tmp_path, Route(destinations=("A",), hook="forward_test_hook:choose"))
    add(index, "1.1", "1.2", "1.3", "1.4")
    made.step()
    assert queued(index) == [("1.1", "B"), ("1.3", "A"), ("1.4", "A")]
    for hook in ("forward_test_hook:nothing", "forward_test_hook:not_a_function"):
        with pytest.raises(ConfigError, match=r"routes\[1\]\.hook"):
            RouteTable([Route(destinations=("A",), hook=hook)], KNOWN.__contains__)
    sys.modules.pop("forward_test_hook")

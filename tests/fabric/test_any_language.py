"""PROTOCOL.md is enough: a worker that knows nothing but the page answers real associations."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import gateway.fabric
from gateway import events
from tests.conftest import running
from tests.peers import instances, wire
from tests.peers.process import Gateway, Program
from tests.peers.raw import association, echo_ok
from tests.peers.workers import STORAGE_OFF

TEXT = (Path(gateway.fabric.__file__).parent / "PROTOCOL.md").read_text("utf-8")
SOURCE = Path(__file__).with_name("any_language_worker.py")


class Foreigner(Program):
    """The worker as a process of its own, which cannot import anything of this project."""

    def __init__(self, run_dir: Path, keep: Path) -> None:
        self.keep = keep
        super().__init__(sys.executable, "-P", SOURCE, run_dir, keep, cwd=keep)
        self.wait_begun(self.out, "^ready$")


@pytest.fixture(scope="module")
def without_storage():
    with running(STORAGE_OFF) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def foreigner(without_storage: Gateway):
    keep = without_storage.data / "kept"
    keep.mkdir()
    worker = Foreigner(without_storage.data / "run", keep)
    yield worker
    worker.kill_all()


def test_it_is_short_and_foreign() -> None:
    source = SOURCE.read_text()
    assert sum(1 for line in source.splitlines() if line.strip()) <= 70
    imported = re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE)
    assert {"zmq", "msgpack", "xxhash"} == set(imported) - set(sys.stdlib_module_names)


def test_echo(without_storage: Gateway, foreigner: Foreigner) -> None:
    with association(without_storage.address, wire.context(1)) as peer:
        for message_id in (3, 65535):
            assert peer.echo(message_id).status == 0x0000
            told = f"^EVT_C_ECHO {message_id} {wire.IMPLICIT} RAWPEER False$"
            foreigner.out.wait_for(told)
        peer.release()


@pytest.mark.parametrize("size", [2048, 500_000], ids=["inline", "spooled"])
def test_store(without_storage: Gateway, foreigner: Foreigner, size: int) -> None:
    instance = instances.make(size=size)
    with association(without_storage.address, instance.context()) as peer:
        assert peer.store(instance, size % 1000).status == 0x0000
        peer.release()
    told = f"^EVT_C_STORE {size % 1000} {wire.EXPLICIT} RAWPEER {size < 65536}$"
    foreigner.out.wait_for(told)
    kept = [path.read_bytes() for path in foreigner.keep.iterdir()]
    (file,) = [data for data in kept if data.endswith(instance.data_set)]
    assert file[128:132] == b"DICM"


def test_it_outlives_a_restart_of_the_acceptor(
    without_storage: Gateway, foreigner: Foreigner
) -> None:
    foreigner.out.forget()
    acceptor = without_storage.child("acceptor-0")
    Program("kill", "-KILL", acceptor).wait()
    without_storage.wait_child("acceptor-0", other_than=acceptor)
    foreigner.out.wait_for("^ready$")
    assert echo_ok(without_storage.address)
    foreigner.out.wait_for("^EVT_C_ECHO 7 ")


# The page against the code


def _section(title: str) -> str:
    return TEXT.split(f"### {title}\n")[1].split("\n## ")[0].split("\n### ")[0]


def _rows(title: str) -> list[list[str]]:
    rows = re.findall(r"^\| (.*) \|$", _section(title), re.MULTILINE)
    return [row.split(" | ") for row in rows]


def test_every_notification_and_its_body() -> None:
    written = {
        name: re.findall(r"`(\w+)`", body)
        for names, body in _rows("Bodies of notifications")[1:]
        for name in names.split(", ")
    }
    catalogue = {n: list(e.attributes) for n, e in events.NOTIFICATIONS.items()}
    del catalogue["EVT_GAP"]  # a watcher's own client tells it
    for name in ("EVT_ACSE_RECV", "EVT_ACSE_SENT"):
        assert catalogue.pop(name) == ["primitive"]
        assert written.pop(name) == ["primitive", "kind", "pdu"]
    for name in ("EVT_DIMSE_RECV", "EVT_DIMSE_SENT"):
        assert catalogue.pop(name) == ["message", "length", "truncated"]
        keys = written.pop(name)
        assert keys == ["context_id", "command_set", "data_set", "length", "truncated"]
    assert written == catalogue


def test_every_negotiation_event() -> None:
    written = {row[0]: re.findall(r"`(\w+)`", row[1]) for row in _rows("Negotiation")[1:]}
    assert set(written) == {n for n, e in events.INTERVENTIONS.items() if e.failures is None}
    for name, keys in written.items():
        attributes = events.INTERVENTIONS[name].attributes
        assert tuple(keys[: len(attributes)]) == attributes


def test_every_failure() -> None:
    rows = [row[0].strip("`") for row in _rows("DIMSE requests")]
    written = set(rows[rows.index("failed") + 1 :])
    known = {
        kind
        for event in events.INTERVENTIONS.values()
        if event.failures
        for kind in (*event.failures.__slots__, *dict(event.failures.special))
    }
    assert written == known - {"unanswered", "begun", "special"}, "what a worker cannot say itself"

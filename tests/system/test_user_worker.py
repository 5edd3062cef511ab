"""A user's worker: refused while another worker holds its event, otherwise it answers."""

from __future__ import annotations

import pytest

from tests.accountant import read_archive
from tests.conftest import running
from tests.peers import instances, wire
from tests.peers.process import run_cli
from tests.peers.raw import association
from tests.peers.workers import STORAGE_OFF, STORE, WATCH, UserWorker


@pytest.fixture(scope="module")
def without_storage():
    with running(STORAGE_OFF) as gateway:
        yield gateway


def store_once(gateway, message_id: int = 1) -> tuple[str, int]:
    instance = instances.make()
    with association(gateway.address, instance.context()) as peer:
        status = peer.store(instance, message_id).status
        peer.release()
    return instance.uid, status


def test_refused_while_storage_holds_the_event(gateway_process, folder) -> None:
    with UserWorker(folder, STORE, gateway_process.data) as worker:
        assert worker.wait() != 0
    text = worker.out.text + worker.err.text
    assert "storage" in text, f"the holder is not named: {text}"
    assert "EVT_C_STORE" in text, f"the event is not named: {text}"
    assert "Traceback" not in text
    assert store_once(gateway_process)[1] == 0x0000


def test_what_nobody_is_registered_for_is_not_accepted(without_storage) -> None:
    with association(without_storage.address, wire.context(1), wire.context(3, wire.CT)) as peer:
        assert peer.accepted is not None
        assert {n: result for n, (result, _) in peer.accepted.contexts.items()} == {1: 0, 3: 3}
        assert peer.echo().status == 0x0000
        peer.release()


def test_answers_with_storage_switched_off(without_storage, folder) -> None:
    assert sum(1 for line in STORE.splitlines() if line.strip()) <= 15
    with UserWorker(folder, STORE, without_storage.data) as worker:
        worker.wait_ready()
        uid, status = store_once(without_storage, 42)
        assert status == 0xB007
        worker.out.wait_for(f"stored {uid} 42")
        worker.terminate()
        assert worker.wait() == 0
    assert read_archive(without_storage.archive) == ([], [])
    assert store_once(without_storage)[1] == 0xA700, "it is asked no more, but may come back"


def test_watcher_prints_transitions_and_pdus_live(gateway_process, folder) -> None:
    with UserWorker(folder, WATCH, gateway_process.data, name="watch") as worker:
        worker.wait_ready()
        with association(gateway_process.address, wire.context(1)) as peer:
            worker.out.wait_for("^fsm Sta3 Evt7 AE-7 Sta6$")
            worker.out.wait_for("^pdu AAssociateRQ$")
            peer.echo()
            worker.out.wait_for("^fsm Sta6 Evt10 DT-2 Sta6$")
            worker.out.wait_for("^pdu PDataTF$")
            peer.release()
        worker.out.wait_for("^fsm Sta8 Evt14 AR-4 Sta13$")
        worker.out.wait_for("^fsm Sta13 Evt17 AR-5 Sta1$")
        worker.terminate()
        assert worker.wait() == 0


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("no_such_module:worker", "no_such_module"),
        ("json:worker", "worker"),
        ("json:dumps", "Worker"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_wrong_target_is_named_in_one_line(gateway_process, folder, target, named) -> None:
    done = run_cli("worker", target, "--data", gateway_process.data, cwd=folder)
    text = done.out.text + done.err.text
    assert done.popen.returncode == 2, text
    assert named in text
    assert "Traceback" not in text


def test_a_module_that_raises_is_named(gateway_process, folder) -> None:
    (folder / "broken.py").write_text("raise RuntimeError('out of luck')\n")
    done = run_cli("worker", "broken:worker", "--data", gateway_process.data, cwd=folder)
    text = done.out.text + done.err.text
    assert done.popen.returncode != 0
    assert "broken" in text
    assert "out of luck" in text


def test_no_gateway_there_is_said(folder) -> None:
    (folder / "mine.py").write_text(STORE.lstrip())
    done = run_cli("worker", "mine:worker", "--data", folder / "nothing", cwd=folder)
    assert done.popen.returncode != 0
    assert str(folder / "nothing") in done.err.text
    assert "Traceback" not in done.err.text

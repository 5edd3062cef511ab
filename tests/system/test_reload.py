"""A configuration that is put in force while the gateway runs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from gateway.supervisor import ask_running
from tests.faults import reloads
from tests.patience import WALL
from tests.peers import procfs, wire
from tests.peers.process import run_cli
from tests.peers.raw import RawPeer, association, echo_ok

if TYPE_CHECKING:
    from tests.peers.process import Gateway

OPEN = '[log]\nlevel = "warning"\n'
ECHO = wire.context(1, wire.VERIFICATION, wire.IMPLICIT)
NOBODY = f"{OPEN}[[policy.rules]]\ncalling = ['CT1']\n"


def configure(gateway: Gateway, text: str) -> None:
    (gateway.folder / "gateway.toml").write_text(text)


def reload(gateway: Gateway) -> tuple[int, str]:
    program = run_cli("reload", "--data", gateway.data)
    return program.popen.returncode, program.out.text + program.err.text


def is_let_in(gateway: Gateway) -> bool:
    with RawPeer(gateway.address) as peer:
        peer.send(wire.associate_rq(ECHO))
        answer = peer.recv_pdu()
        return isinstance(answer, bytes) and answer[0] == 2


def test_sighup_changes_the_policy_and_open_associations_go_on(start_gateway) -> None:
    gateway = start_gateway(OPEN)
    with association(gateway.address, ECHO) as early:
        configure(gateway, NOBODY)
        gateway.program.popen.send_signal(signal.SIGHUP)
        procfs.until(lambda: not is_let_in(gateway), what="strangers that are rejected")
        assert early.echo().status == 0x0000
        early.release()
    configure(gateway, OPEN)
    assert reload(gateway) == (0, "revision 3 is in force\nchanged: policy.rules")
    assert echo_ok(gateway.address)


def test_a_wrong_configuration_changes_nothing(start_gateway) -> None:
    gateway = start_gateway(OPEN)
    for wrong, words in (
        (f"{NOBODY}addresses = ['here']\n", "gateway.toml:5: policy.rules[1].addresses"),
        (f"{NOBODY}[tls]\ncertificate = 'none.pem'\n", "gateway.toml:6: TLS certificate "),
        (f"{NOBODY}[workers.mine]\nworker = 'none:such'\n", "mine-0: "),
    ):
        configure(gateway, wrong)
        status, text = reload(gateway)
        assert status == 2, text
        assert text.startswith("dicom-gateway: nothing has changed: ")
        assert words in text
        assert echo_ok(gateway.address)
    state = ask_running(gateway.data, "status")
    assert (state["state"], state["revision"]) == ("ok", 1)


MINE = """
from gateway import Worker, evt

worker = Worker("mine")


@worker.on(evt.EVT_C_ECHO)
def echo(event):
    return 0x0122
"""


def echo_status(gateway: Gateway) -> int:
    with association(gateway.address, ECHO) as peer:
        status = peer.echo().status
        peer.release()
        return status


def test_workers_are_added_replaced_and_removed(start_gateway) -> None:
    gateway = start_gateway(OPEN)
    (gateway.folder / "mine.py").write_text(MINE)
    configure(gateway, f"{OPEN}[workers.mine]\nworker = 'mine:worker'\n")
    assert reload(gateway)[1] == ("revision 2 is in force\nchanged: workers.mine\nadded: mine")
    assert echo_status(gateway) == 0x0122
    first = gateway.child("mine-0")
    configure(gateway, f"{OPEN}[workers.mine]\nworker = 'mine:worker'\nconcurrency = 2\n")
    assert "replaced: mine" in reload(gateway)[1]
    assert gateway.child("mine-0") != first
    assert echo_status(gateway) == 0x0122
    configure(gateway, OPEN)
    assert "removed: mine" in reload(gateway)[1]
    assert echo_status(gateway) == 0x0000
    state = ask_running(gateway.data, "status")
    assert "mine" not in [worker["name"] for worker in state["workers"]]


def test_what_needs_a_restart_is_named_and_stays(start_gateway) -> None:
    gateway = start_gateway(OPEN)
    configure(gateway, f"{OPEN}[fabric]\nqueue = 7\n[limits]\nidentifier = 70000\n")
    assert reload(gateway)[1] == (
        "revision 2 is in force\nchanged: limits.identifier\n"
        "in force after a restart only: fabric.queue"
    )


def test_a_process_that_starts_later_has_the_revision_in_force(start_gateway) -> None:
    gateway = start_gateway(OPEN)
    configure(gateway, NOBODY)
    assert reload(gateway)[0] == 0
    before = gateway.child("acceptor-0")
    os.kill(before, signal.SIGKILL)
    gateway.wait_child("acceptor-0", other_than=before)

    def revisions() -> set[int]:
        state = ask_running(gateway.data, "status")
        return {one.get("revision", 0) for one in reloads.processes_of(state)}

    procfs.until(lambda: revisions() == {2}, what="the revision", timeout=WALL)
    assert not is_let_in(gateway)


def test_reloads_under_load_with_other_certificates() -> None:
    assert reloads.run(2).ok


@pytest.mark.parametrize("when", [[], ["--config", "none.toml"]])
def test_without_a_gateway(folder, when: list[str]) -> None:
    program = run_cli("reload", "--data", folder, *when)
    assert program.popen.returncode == (2 if when else 1)

"""pynetdicom as the SCU, in threads of its own and as the command that it installs."""

from __future__ import annotations

import subprocess
import sys
import threading
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, evt
from pynetdicom.pdu_primitives import A_ASSOCIATE

from tests.accountant import Accountant, read_archive
from tests.patience import WALL
from tests.peers import instances, procfs, streams, wire
from tests.peers.proxy import Proxy
from tests.peers.raw import echo_ok

SYNTAXES = instances.TRANSFER_SYNTAXES
SCRIPTS = Path(sys.executable).parent


def associate(address, *contexts: tuple[str, list[str] | None], **options):
    """An established association of pynetdicom; the caller releases it."""
    ae = AE(ae_title="PYNETDICOM")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = WALL
    for abstract, transfer in contexts:
        ae.add_requested_context(abstract, transfer)
    assoc = ae.associate(*address, ae_title="GATEWAY", **options)
    assert assoc.is_established
    return assoc


def hold(assoc) -> None:
    """Stop pynetdicom's reactor until its next send_*() has the response.

    Its own way to stop it has a race that a fast answer loses: the reactor takes the response off
    the queue, calls it unexpected, and send_*() waits for ever.
    """
    assoc._reactor_checkpoint.clear()
    blocked = assoc._reactor_checkpoint._cond._waiters
    procfs.until(lambda: blocked, what="a paused reactor")


def answered(assoc) -> None:
    """See a rejection that pynetdicom calls an abort.

    Its thread that waits for the answer looks first whether there is a connection; on a busy
    machine the rejection has come by then, and the connection is gone.
    """
    answer = assoc.dul.peek_next_pdu()
    if assoc.is_aborted and isinstance(answer, A_ASSOCIATE) and answer.result:
        assoc.acceptor.primitive = answer
        assoc.is_aborted, assoc.is_rejected = False, True


def send_store(assoc, instance: instances.Instance) -> int:
    ds = pydicom.dcmread(BytesIO(instance.part10()))
    hold(assoc)
    return assoc.send_c_store(ds).Status


def finish(assoc) -> None:
    assoc.release()
    assert assoc.is_released
    assoc.join(WALL)


def test_echo(gateway_process) -> None:
    assoc = associate(gateway_process.address, (wire.VERIFICATION, None))
    for message_id in (1, 65535):
        hold(assoc)
        assert assoc.send_c_echo(msg_id=message_id).Status == 0x0000
    finish(assoc)


@pytest.mark.parametrize("size", [2048, 300_000], ids=["inline", "spooled"])
@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_store(gateway_process, syntax: str, size: int) -> None:
    mine = instances.many(3, syntax, size=size)
    with Proxy(gateway_process.address) as proxy:
        assoc = associate(proxy.address, (wire.CT, [syntax]))
        for one in mine:
            assert send_store(assoc, one) == 0x0000
        finish(assoc)
        proxy.wait_closed()
        (recording,) = proxy.recordings
    sent = {m.instance_uid: m.digest for m in streams.messages(bytes(recording.to_server))}
    stored, bad = read_archive(gateway_process.archive)
    assert bad == []
    kept = {one.uid: one for one in stored if one.uid in sent}
    assert {uid: one.digest for uid, one in kept.items()} == sent
    assert set(sent) == {one.uid for one in mine}
    assert {one.transfer_syntax for one in kept.values()} == {syntax}


def test_stored_file_reads_as_the_instance_that_was_sent(gateway_process) -> None:
    instance = instances.make()
    ds = pydicom.dcmread(BytesIO(instance.part10()))
    assoc = associate(gateway_process.address, (wire.CT, [wire.EXPLICIT]))
    assert send_store(assoc, instance) == 0x0000
    finish(assoc)
    (path,) = [
        one.path for one in read_archive(gateway_process.archive)[0] if one.uid == ds.SOPInstanceUID
    ]
    read = pydicom.dcmread(path)
    assert read == ds
    assert read.file_meta.SourceApplicationEntityTitle == "PYNETDICOM"
    assert read.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID


def test_many_associations_at_once(gateway_process) -> None:
    accountant = Accountant()
    failures: list[object] = []

    def run(mine: list[instances.Instance]) -> None:
        try:
            assoc = associate(gateway_process.address, (wire.CT, [wire.EXPLICIT]))
            for one in mine:
                accountant.sending(one)
                accountant.told(one.uid, send_store(assoc, one))
            finish(assoc)
        except BaseException as error:
            failures.append(error)

    lanes = [instances.many(5) for _ in range(8)]
    threads = [threading.Thread(target=run, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert accountant.acknowledged == {one.uid for lane in lanes for one in lane}
    stored = {one.uid: one.digest for one in read_archive(gateway_process.archive)[0]}
    assert all(stored[one.uid] == one.digest for lane in lanes for one in lane)


def test_abort_leaves_the_gateway_well(gateway_process) -> None:
    assoc = associate(gateway_process.address, (wire.VERIFICATION, None))
    assoc.abort()
    assoc.join(WALL)
    assert echo_ok(gateway_process.address)


def test_notifications_see_an_orderly_association(gateway_process) -> None:
    seen: list[str] = []
    handlers = [
        (event, lambda event: seen.append(event.event.name))
        for event in (evt.EVT_ACCEPTED, evt.EVT_RELEASED, evt.EVT_ABORTED, evt.EVT_REJECTED)
    ]
    assoc = associate(gateway_process.address, (wire.VERIFICATION, None), evt_handlers=handlers)
    finish(assoc)
    assert "EVT_ABORTED" not in seen
    assert "EVT_RELEASED" in seen


@pytest.mark.parametrize("tool", ["echoscu", "storescu"])
def test_the_commands_that_pynetdicom_installs(gateway_process, tmp_path, tool: str) -> None:
    host, port = gateway_process.address
    command = [SCRIPTS / tool, host, str(port), "-q"]
    if tool == "storescu":
        path = tmp_path / "one.dcm"
        instance = instances.make()
        path.write_bytes(instance.part10())
        command.append(path)
    done = subprocess.run(command, capture_output=True, timeout=WALL, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    if tool == "storescu":
        stored = {one.uid for one in read_archive(gateway_process.archive)[0]}
        assert instance.uid in stored

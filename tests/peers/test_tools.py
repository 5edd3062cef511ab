"""Raw peer, sender, proxy and instances do what they say: tried on strangers."""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING

import pydicom
import pytest

from tests.accountant import Accountant, read_archive
from tests.patience import WALL
from tests.peers import dcmtk, instances, procfs, scp, sender, streams, wire
from tests.peers.proxy import Fault, Proxy
from tests.peers.raw import EOF, RESET, RawAcceptor, RawPeer, association, echo_ok

if TYPE_CHECKING:
    from pathlib import Path

SYNTAXES = instances.TRANSFER_SYNTAXES


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_generated_instances_can_be_read_by_pydicom(syntax: str) -> None:
    instance = instances.make(syntax, size=4096)
    ds = pydicom.dcmread(io.BytesIO(instance.part10()))
    assert ds.SOPInstanceUID == instance.uid
    assert len(ds.PixelData) == 4096
    assert ds.pixel_array.shape == (4, 512) if hasattr(ds, "_numpy") else True


@pytest.mark.peer("dcmtk")
def test_generated_files_are_files_to_dcmftest(tmp_path: Path) -> None:
    made = [instances.make(syntax) for syntax in SYNTAXES.values()]
    instances.write_folder(tmp_path, made)
    done = dcmtk.run("dcmftest", *tmp_path.rglob("*.dcm"))
    assert done.stdout.count("yes:") == 4


def test_uids_are_unique() -> None:
    assert len({i.uid for i in instances.many(500)}) == 500


def test_big_ct_has_the_length_it_says() -> None:
    uid, pieces, size = instances.big_ct(3 << 20)
    data = b"".join(pieces)
    assert len(data) == size
    assert uid.encode() in data


@pytest.mark.peer("dcmtk")
def test_dcmtk_tools_are_not_those_of_pynetdicom() -> None:
    assert "dcmtk" in dcmtk.run("storescu", "--version").stdout.lower()


DCMTK = pytest.param("dcmtk", marks=pytest.mark.peer("dcmtk"))


@pytest.fixture(scope="module", params=["pynetdicom", DCMTK])
def stranger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("stranger")
    if request.param == "dcmtk":
        with scp.dcmtk_storescp(folder, "-fe", ".dcm", "--fork") as address:
            yield address, folder
    else:
        with scp.pynetdicom_storescp(folder) as address:
            yield address, folder


def test_raw_peer_echoes(stranger) -> None:
    address, _ = stranger
    with association(address, wire.context(1)) as peer:
        response = peer.echo(5)
        assert (response.status, response.message_id) == (0x0000, 5)
        peer.release()


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_sender_stores_and_accountant_agrees(stranger, syntax: str, tmp_path: Path) -> None:
    address, folder = stranger
    accountant = Accountant()
    mine = instances.many(3, syntax, size=40_000)
    outcome = sender.store_all(address, mine, listener=accountant)
    assert outcome.failed == {}
    assert outcome.errors == []
    assert {i.uid for i in mine} == accountant.acknowledged
    stored, bad = read_archive(folder)
    assert bad == []
    assert {i.digest for i in mine} <= {one.digest for one in stored}


def test_proxy_sees_the_data_set_that_was_sent(stranger) -> None:
    address, _ = stranger
    mine = instances.many(2, size=100_000)
    with Proxy(address) as proxy:
        assert sender.store_all(proxy.address, mine).failed == {}
        proxy.wait_closed()
        (recording,) = proxy.recordings
    sent = list(streams.messages(bytes(recording.to_server)))
    told = list(streams.messages(bytes(recording.to_client)))
    assert [m.data_set for m in sent] == [i.data_set for i in mine]
    assert [m.instance_uid for m in sent] == [i.uid for i in mine]
    assert [m.status for m in told] == [0, 0]
    assert streams.transfer_syntaxes(bytes(recording.to_client)) == {1: wire.EXPLICIT}


@pytest.mark.parametrize(("fault", "end"), [(Fault.CUT, EOF), (Fault.RESET, RESET)])
def test_proxy_ends_a_connection_at_an_offset(fault: Fault, end: object) -> None:
    with RawAcceptor() as acceptor, Proxy(acceptor.address, fault=fault, at=10) as proxy:
        with RawPeer(proxy.address) as client, acceptor.accept() as server:
            client.send(wire.release_rq() + wire.release_rq())
            assert server.recv_pdu() == wire.release_rq()
            assert server.recv_pdu() == end
            assert client.recv_pdu() == end
        assert bytes(proxy.recordings[0].to_server) == wire.release_rq()


def test_proxy_stalls_at_an_offset() -> None:
    with (
        RawAcceptor() as acceptor,
        Proxy(acceptor.address, fault=Fault.STALL, at=10) as proxy,
        RawPeer(proxy.address) as client,
        acceptor.accept(timeout=0.2) as server,
    ):
        client.send(wire.release_rq() + wire.release_rq())
        assert server.recv_pdu() == wire.release_rq()
        with pytest.raises(TimeoutError):
            server.recv_pdu()
        server.send(wire.release_rp())
        assert client.recv_pdu() == wire.release_rp()


def test_raw_peer_tells_a_fin_from_an_rst_and_from_a_drained_socket() -> None:
    with RawAcceptor() as acceptor:
        with RawPeer(acceptor.address) as client, acceptor.accept() as server:
            server.shutdown()
            assert client.recv_pdu() == EOF
            assert not client.closed_within(0.1)
            server.close()
            assert client.closed_within(WALL)
        with RawPeer(acceptor.address) as client, acceptor.accept() as server:
            server.reset()
            assert client.recv_pdu() is RESET


def test_sender_reports_a_broken_association() -> None:
    mine = instances.many(2)
    with RawAcceptor() as acceptor:
        client = RawPeer(acceptor.address)
        acceptor.accept().close()
        client.close()
        with socket.create_server(("127.0.0.1", 0)) as gone:
            address = gone.getsockname()
        outcome = sender.store_all(address, mine)
    assert outcome.errors
    assert outcome.statuses == {}


def test_stream_store_sends_a_whole_data_set(stranger) -> None:
    address, folder = stranger
    uid, pieces, size = instances.big_ct(2 << 20)
    with association(address, wire.context(1, wire.CT, wire.EXPLICIT)) as peer:
        assert sender.stream_store(peer, uid, pieces) == 0x0000
    assert size in {one.size for one in read_archive(folder)[0] if one.uid == uid}


def test_healthy_peer_helper(stranger) -> None:
    address, _ = stranger
    assert echo_ok(address)


def test_descendants_and_command_lines_are_found() -> None:
    import os
    import subprocess

    child = subprocess.Popen(["sh", "-c", "cat; true", "marker-0"], stdin=subprocess.PIPE)
    try:
        found = procfs.until(lambda: procfs.find_child(os.getpid(), "marker-0"), what="the child")
        assert found == child.pid
        assert procfs.memory(child.pid) > 0
        assert procfs.cpu_seconds(child.pid) >= 0
        assert 0 in procfs.descriptors(child.pid)
    finally:
        child.communicate()
    assert procfs.wait_gone([child.pid]) == set()

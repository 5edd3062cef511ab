"""The bench measures what it says: sink and sender agree, and a small comparison runs."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from tests.bench import peers, retrieve
from tests.bench.archives import archives
from tests.bench.figures import Case
from tests.bench.programs import compiled
from tests.bench.scratch import scratch
from tests.bench.sending import FIRST, FailedError, Plan, send, sender
from tests.bench.servers import SERVERS, Running, sink
from tests.peers import procfs, wire
from tests.peers.raw import RawAcceptor, RawPeer

needs_compiler = pytest.mark.peer("cc")
NEEDS = {"dcmtk": "dcmtk", "orthanc": "Orthanc", "sink": "cc", "sink-sync": "cc"}
EACH_SERVER = [
    pytest.param(name, marks=pytest.mark.peer(NEEDS[name]) if name in NEEDS else ())
    for name in SERVERS
]


@pytest.fixture
def place():
    with scratch() as made:
        yield made


def expected(data, count):
    """The instances that the sender sends, by UID."""
    template = data.path.read_bytes()
    stem = data.uid[: -len(str(FIRST))]
    uids = [f"{stem}{FIRST + number}" for number in range(count)]
    return {uid: template.replace(data.uid.encode(), uid.encode()) for uid in uids}


@needs_compiler
@pytest.mark.parametrize("server", ["sink", "sink-sync"])
@pytest.mark.parametrize("size", [1024, 300 * 1024])
def test_all_that_is_acknowledged_is_a_file_of_the_sink(place, server, size):
    data = place.prepared(size)
    with place.folder() as folder, SERVERS[server].start(folder) as running:
        outcome = send(running.address, Plan(associations=4, count=30, data=data))
        assert outcome.acknowledged == 30
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected(data, 30)


@needs_compiler
@pytest.mark.parametrize("options", [("--read-size", "100"), ("--max-pdu", "64")])
def test_sink_takes_messages_however_they_are_cut(place, options):
    data = place.prepared(1024)
    with place.folder() as folder, sink(*options)(folder) as running:
        send(running.address, Plan(associations=2, count=5, data=data))
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected(data, 5)


@needs_compiler
def test_all_that_is_acknowledged_is_a_file_of_the_gateway(place):
    data = place.prepared(100 * 1024)
    with place.folder() as folder, SERVERS["gateway-durable"].start(folder) as running:
        outcome = send(running.address, Plan(associations=4, count=30, data=data))
        assert outcome.acknowledged == 30
        stored = [path.read_bytes() for path in (folder / "data/archive").rglob("*.dcm")]
        wanted = expected(data, 30)
        assert len(stored) == len(wanted)
        for data_set in wanted.values():
            assert sum(file.endswith(data_set) for file in stored) == 1


@needs_compiler
def test_sink_keeps_nothing_of_a_message_that_broke_off(place):
    with place.folder() as folder, SERVERS["sink"].start(folder) as running:
        with RawPeer(running.address) as peer:
            peer.associate(wire.context(1, wire.CT, wire.EXPLICIT))
            peer.send(wire.message(1, wire.store_rq("1.2.3")) + wire.p_data(wire.pdv(1, 0, b"ab")))
            procfs.until(lambda: list(folder.iterdir()), what="the file")
        procfs.until(lambda: not list(folder.iterdir()), what="an empty folder")


@needs_compiler
def test_sink_refuses_a_uid_that_is_a_path(place):
    with place.folder() as folder, SERVERS["sink"].start(folder) as running:
        with RawPeer(running.address) as peer:
            peer.associate(wire.context(1, wire.CT, wire.EXPLICIT))
            peer.send(wire.message(1, wire.store_rq("../1.2"), b"\0" * 8))
            assert peer.recv_response().status == 0x0117
        assert list(folder.iterdir()) == []


@needs_compiler
def test_sender_tells_that_it_was_rejected(place):
    with RawAcceptor() as acceptor:
        client = sender(acceptor.address, Plan(data=place.prepared(1024)))
        with acceptor.accept() as peer:
            peer.recv_pdu()
            peer.send(wire.associate_rj(1, 1, 1))
            with pytest.raises(FailedError, match="rejected"), client:
                pass


@needs_compiler
def test_sender_tells_a_status_that_is_no_success_and_a_peer_that_left(place):
    with RawAcceptor() as acceptor:
        client = sender(acceptor.address, Plan(count=2, data=place.prepared(1024)))
        with acceptor.accept() as peer:
            peer.recv_pdu()
            peer.send(wire.associate_ac((1, 0, wire.EXPLICIT)))
            with client:
                client.begin()
                assert [peer.recv_pdu()[:1] for _ in range(2)] == [b"\x04"] * 2
                peer.send(wire.message(1, wire.store_rsp("1.2", 1, 0xA700)))
                peer.recv_pdu()
                peer.close()
                outcome = client.outcome()
    assert (outcome.acknowledged, outcome.failed) == (0, 2)
    assert outcome.reason == "status 0xA700"


@needs_compiler
@pytest.mark.parametrize("server", EACH_SERVER)
def test_each_server_is_measured(server, tmp_path, capsys):
    path = tmp_path / "figures.json"
    few = ["--sizes", "8k", "--associations", "2", "--rounds", "1", "--seconds", "0.05"]
    peers.main([*few, "--clients", "prepared", "--only", server, "--json", str(path)])
    (measured,) = [m for m in json.loads(path.read_text())["measured"] if m["server"] == server]
    (figures,) = measured["rounds"]
    assert figures["reason"] == ""
    assert figures["count"] >= 2
    assert figures["memory"] > 0
    assert SERVERS[server].title in capsys.readouterr().out


@needs_compiler
@pytest.mark.peer("dcmtk")
def test_each_client_measures_and_is_drawn(tmp_path, capsys):
    path, chart = tmp_path / "figures.json", tmp_path / "figures.svg"
    few = ["--sizes", "8k", "--associations", "1", "--rounds", "1", "--seconds", "0.05"]
    peers.main([*few, "--only", "sink", "--json", str(path), "--svg", str(chart)])
    measured = json.loads(path.read_text())["measured"]
    assert {m["client"] for m in measured} == {"prepared", "storescu", "pynetdicom"}
    assert [one["reason"] for m in measured for one in m["rounds"]] == [""] * len(measured)
    first = capsys.readouterr().out
    assert "instances a second" in first
    ElementTree.parse(chart)
    peers.main(["--read", str(path)])
    assert capsys.readouterr().out == first


def test_the_programs_are_compiled_once():
    if peers.CLIENTS["prepared"].absent():
        pytest.skip("there is no C compiler (cc)")
    assert compiled("sink") == compiled("sink")


@needs_compiler
@pytest.mark.parametrize(
    "name",
    [
        "gateway",
        pytest.param("dcmqrscp", marks=pytest.mark.peer("dcmtk")),
        pytest.param("orthanc", marks=pytest.mark.peer("Orthanc")),
    ],
)
def test_each_archive_gives_all_instances_back(place, name):
    with place.folder() as folder, sink("--discard")(folder) as destination:
        (server,) = [one for one in archives(destination.address[1]) if one.name == name]
        found = retrieve.measure(server, place, size=1024, count=5, associations=(2,))
    assert found.keys() == {Case(name, 1024, 2) for name in ("C-GET", "C-MOVE", "C-FIND")}
    assert all(one.rate > 0 for one in found.values())


@needs_compiler
def test_taker_tells_a_retrieval_that_failed(place):
    with place.folder() as folder, RawAcceptor() as acceptor:
        asked = retrieve.take(Running(acceptor.address, 0), "C-GET", "1.2.3.1", 1, folder)
        with acceptor.accept() as peer:
            peer.recv_pdu()
            peer.send(wire.associate_ac((1, 0, wire.IMPLICIT), (3, 0, wire.EXPLICIT)))
            with asked as client:
                client.begin()
                peer.recv_pdu()
                peer.recv_pdu()
                peer.send(wire.message(1, _failed_get()))
                outcome = client.outcome()
    assert (outcome.acknowledged, outcome.reason) == (0, "status 0xA702")


def _failed_get():
    return wire.command_set(
        wire.element(0x0100, wire.us(0x8010)),
        wire.element(0x0120, wire.us(1)),
        wire.element(0x0800, wire.us(wire.NO_DATA_SET)),
        wire.element(0x0900, wire.us(0xA702)),
    )

"""Every notification event of an association in the acceptor role: the order, and what each adds.

What happens on the wire (FSM, data, PDU) is told before what it means (ACSE, DIMSE, the
association's own events), for all that one read of the socket brought; the protocol machine's step
to idle precedes the closed connection.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from gateway.events import EXCERPT, NOTIFICATIONS
from tests.conftest import running
from tests.events.watcher import ProcessWatcher
from tests.interop.test_pynetdicom import associate, finish, hold, send_store
from tests.peers import instances, wire
from tests.peers.raw import EOF, RawPeer
from tests.peers.workers import UserWorker

OPENED = ["CONN_OPEN", "FSM_TRANSITION Sta1 Evt5 AE-5 Sta2"]
REQUEST = ["DATA_RECV", "PDU_RECV AAssociateRQ"]
ASKED = [
    *REQUEST,
    "FSM_TRANSITION Sta2 Evt6 AE-6 Sta3",
    "ACSE_RECV A-ASSOCIATE indication",
    "REQUESTED",
]
ACCEPTED = [
    "FSM_TRANSITION Sta3 Evt7 AE-7 Sta6",
    "DATA_SENT",
    "PDU_SENT AAssociateAC",
    "ACSE_SENT A-ASSOCIATE response",
    "ACCEPTED",
    "ESTABLISHED",
]
ESTABLISHED = [*OPENED, *ASKED, *ACCEPTED]
P_DATA = ["FSM_TRANSITION Sta6 Evt10 DT-2 Sta6", "DATA_RECV", "PDU_RECV PDataTF"]
P_DATA_SENT = ["FSM_TRANSITION Sta6 Evt9 DT-1 Sta6", "DATA_SENT", "PDU_SENT PDataTF"]
RELEASED = [
    "DATA_RECV",
    "PDU_RECV AReleaseRQ",
    "FSM_TRANSITION Sta6 Evt12 AR-2 Sta8",
    "ACSE_RECV A-RELEASE indication",
    "FSM_TRANSITION Sta8 Evt14 AR-4 Sta13",
    "DATA_SENT",
    "PDU_SENT AReleaseRP",
    "ACSE_SENT A-RELEASE response",
    "RELEASED",
]
CLOSED = ["FSM_TRANSITION Sta13 Evt17 AR-5 Sta1", "CONN_CLOSE"]


def exchange(request: str, pdus: int = 1) -> list[str]:
    """A request of the peer in so many P-DATA-TFs, and the response in one."""
    response = request.replace("RQ", "RSP")
    return [*P_DATA * pdus, f"DIMSE_RECV {request}", *P_DATA_SENT, f"DIMSE_SENT {response}"]


@pytest.fixture(scope="module")
def gateway():
    with running() as one:
        yield one


@pytest.fixture(scope="module")
def watcher(gateway, tmp_path_factory):
    with ProcessWatcher(tmp_path_factory.mktemp("watcher"), gateway.data) as one:
        yield one
        one.terminate()
        assert one.wait() == 0
        assert "Traceback" not in one.err.text, one.report()


ENDER = """
from gateway import Worker, evt

worker = Worker("ender")


@worker.on(evt.EVT_ACSE_SENT)
def established(event):
    if event.assoc.requestor.ae_title == "RELEASE-ME" and event.primitive.name == "A-ASSOCIATE":
        event.assoc.release()
    if event.assoc.requestor.ae_title == "ABORT-ME" and event.primitive.name == "A-ASSOCIATE":
        event.assoc.abort()
"""
"""Ends associations from the acceptor's side, as soon as they are there."""


@pytest.fixture
def ender(gateway, tmp_path):
    with UserWorker(tmp_path, ENDER, gateway.data, name="ender") as one:
        one.wait_ready()
        yield one
        one.terminate()
        assert one.wait() == 0
        assert "Traceback" not in one.err.text, one.report()


@pytest.fixture
def peer(gateway):
    with RawPeer(gateway.address) as one:
        yield one


def port_of(peer: RawPeer) -> int:
    return peer.sock.getsockname()[1]


def told(watcher: ProcessWatcher, port: int) -> list[str]:
    """The events in order, without the summary of an association, which comes once."""
    names = [str(one) for one in watcher.of(port)]
    assert names.count("ASSOCIATION_ENDED") <= 1
    return [name for name in names if name != "ASSOCIATION_ENDED"]


def test_echo_and_release(watcher, peer) -> None:
    port = port_of(peer)
    peer.associate(wire.context(1))
    peer.echo()
    peer.release()
    peer.close()
    assert told(watcher, port) == [*ESTABLISHED, *exchange("CEchoRQ"), *RELEASED, *CLOSED]


def test_store(watcher, peer) -> None:
    port = port_of(peer)
    peer.associate(wire.context(3, wire.CT, wire.EXPLICIT))
    peer.store(instances.make(), context_id=3)
    peer.release()
    peer.close()
    assert told(watcher, port) == [*ESTABLISHED, *exchange("CStoreRQ", 2), *RELEASED, *CLOSED]


def test_what_pynetdicom_does(gateway, watcher) -> None:
    assoc = associate(gateway.address, (wire.VERIFICATION, None), (wire.CT, [wire.EXPLICIT]))
    port = assoc.requestor.port
    hold(assoc)
    assert assoc.send_c_echo().Status == 0
    assert send_store(assoc, instances.make()) == 0
    finish(assoc)
    assert told(watcher, port) == [
        *ESTABLISHED,
        *exchange("CEchoRQ"),
        *exchange("CStoreRQ", 2),
        *RELEASED,
        *CLOSED,
    ]


def test_rejected_by_the_policy(watcher, peer) -> None:
    port = port_of(peer)
    peer.send(wire.associate_rq(application="1.2.3"))
    assert peer.recv_pdu() == wire.associate_rj(1, 1, 2)
    peer.close()
    assert told(watcher, port) == [
        *OPENED,
        *ASKED,
        "FSM_TRANSITION Sta3 Evt8 AE-8 Sta13",
        "DATA_SENT",
        "PDU_SENT AAssociateRJ",
        "ACSE_SENT A-ASSOCIATE response",
        "REJECTED 1 1 2",
        *CLOSED,
    ]


def test_rejected_by_the_protocol_machine(watcher, peer) -> None:
    """AE-6 rejects without an indication, so nothing was requested of anybody."""
    port = port_of(peer)
    peer.send(wire.associate_rq(version=2))
    assert peer.recv_pdu() == wire.associate_rj(1, 2, 2)
    peer.close()
    assert told(watcher, port) == [
        *OPENED,
        *REQUEST,
        "FSM_TRANSITION Sta2 Evt6 AE-6 Sta13",
        "DATA_SENT",
        "PDU_SENT AAssociateRJ",
        "REJECTED 1 2 2",
        *CLOSED,
    ]


@pytest.mark.parametrize(
    ("source", "primitive"),
    [(0, "A-ABORT"), (2, "A-P-ABORT")],
    ids=["by the user", "by the provider"],
)
def test_aborted_by_the_peer(watcher, peer, source: int, primitive: str) -> None:
    port = port_of(peer)
    peer.associate()
    peer.send(wire.abort(source))
    peer.close()
    assert told(watcher, port) == [
        *ESTABLISHED,
        "DATA_RECV",
        "PDU_RECV AAbort",
        "FSM_TRANSITION Sta6 Evt16 AA-3 Sta1",
        f"ACSE_RECV {primitive} indication",
        f"ABORTED {source} 0",
        "CONN_CLOSE",
    ]
    (primitive,) = [s for s in watcher.of(port) if s.name == "EVT_ACSE_RECV"][1:]
    assert primitive.carried == "AAbort"


def test_aborted_for_a_pdu_out_of_place(watcher, peer) -> None:
    port = port_of(peer)
    peer.associate()
    peer.send(wire.associate_rq())
    peer.recv_all()
    peer.close()
    assert told(watcher, port) == [
        *ESTABLISHED,
        *REQUEST,
        "FSM_TRANSITION Sta6 Evt6 AA-8 Sta13",
        "DATA_SENT",
        "PDU_SENT AAbort",
        "ACSE_RECV A-P-ABORT indication",
        "ABORTED 2 2",
        *CLOSED,
    ]


def test_aborted_by_the_gateway_for_what_a_message_says(watcher, peer) -> None:
    """A data set that no command announced: the service user's objection (PS3.7 6.3)."""
    port = port_of(peer)
    peer.associate()
    peer.send(wire.p_data(wire.pdv(1, 2, b"\0\0")))
    peer.recv_all()
    peer.close()
    assert told(watcher, port) == [
        *ESTABLISHED,
        *P_DATA,
        "FSM_TRANSITION Sta6 Evt15 AA-1 Sta13",
        "DATA_SENT",
        "PDU_SENT AAbort",
        "ACSE_SENT A-ABORT request",
        "ABORTED 0 0",
        *CLOSED,
    ]


@pytest.mark.parametrize("end", [RawPeer.close, RawPeer.reset])
def test_lost(watcher, peer, end) -> None:
    port = port_of(peer)
    peer.associate()
    end(peer)
    assert told(watcher, port) == [
        *ESTABLISHED,
        "FSM_TRANSITION Sta6 Evt17 AA-4 Sta1",
        "ACSE_RECV A-P-ABORT indication",
        "ABORTED 2 0",
        "CONN_CLOSE",
    ]
    (abort,) = (one for one in watcher.of(port) if "A-P-ABORT" in str(one))
    assert abort.carried == "NoneType", "nobody sent an A-ABORT"


def test_lost_in_the_middle_of_a_message(watcher, peer) -> None:
    port = port_of(peer)
    instance = instances.make()
    peer.associate(instance.context())
    peer.send(wire.p_data(wire.pdv(1, 3, wire.store_rq(instance.uid))))
    watcher.wait_for('"pdu": "PDataTF"', port)
    peer.close()
    assert told(watcher, port) == [
        *ESTABLISHED,
        *P_DATA,
        "FSM_TRANSITION Sta6 Evt17 AA-4 Sta1",
        "ACSE_RECV A-P-ABORT indication",
        "ABORTED 2 0",
        "CONN_CLOSE",
    ]


RELEASING = [
    "FSM_TRANSITION Sta6 Evt11 AR-1 Sta7",
    "DATA_SENT",
    "PDU_SENT AReleaseRQ",
    "ACSE_SENT A-RELEASE request",
]


def test_released_by_the_gateway(watcher, ender, peer) -> None:
    port = port_of(peer)
    peer.associate(calling="RELEASE-ME")
    assert peer.recv_pdu() == wire.release_rq()
    peer.send(wire.release_rp())
    assert peer.recv_pdu() == EOF
    peer.close()
    assert told(watcher, port) == [
        *ESTABLISHED,
        *RELEASING,
        "DATA_RECV",
        "PDU_RECV AReleaseRP",
        "FSM_TRANSITION Sta7 Evt13 AR-3 Sta1",
        "ACSE_RECV A-RELEASE confirmation",
        "RELEASED",
        "CONN_CLOSE",
    ]


def test_a_release_collision(watcher, ender, peer) -> None:
    """PS3.8 9.2.3: each side asked, and the requestor answers first."""
    port = port_of(peer)
    peer.associate(calling="RELEASE-ME")
    assert peer.recv_pdu() == wire.release_rq()
    peer.send(wire.release_rq())
    watcher.wait_for("Sta10", port)
    peer.send(wire.release_rp())
    assert peer.recv_pdu() == wire.release_rp()
    peer.close()
    assert told(watcher, port) == [
        *ESTABLISHED,
        *RELEASING,
        "DATA_RECV",
        "PDU_RECV AReleaseRQ",
        "FSM_TRANSITION Sta7 Evt12 AR-8 Sta10",
        "ACSE_RECV A-RELEASE indication",
        "DATA_RECV",
        "PDU_RECV AReleaseRP",
        "FSM_TRANSITION Sta10 Evt13 AR-10 Sta12",
        "ACSE_RECV A-RELEASE confirmation",
        "FSM_TRANSITION Sta12 Evt14 AR-4 Sta13",
        "DATA_SENT",
        "PDU_SENT AReleaseRP",
        "ACSE_SENT A-RELEASE response",
        "RELEASED",
        *CLOSED,
    ]


def test_aborted_by_a_worker(watcher, ender, peer) -> None:
    port = port_of(peer)
    peer.associate(calling="ABORT-ME")
    assert peer.recv_pdu() == wire.abort()
    peer.close()
    assert told(watcher, port) == [
        *ESTABLISHED,
        "FSM_TRANSITION Sta6 Evt15 AA-1 Sta13",
        "DATA_SENT",
        "PDU_SENT AAbort",
        "ACSE_SENT A-ABORT request",
        "ABORTED 0 0",
        *CLOSED,
    ]


def test_a_connection_that_never_asks(watcher, peer) -> None:
    port = port_of(peer)
    peer.close()
    assert told(watcher, port) == [*OPENED, "FSM_TRANSITION Sta2 Evt17 AA-5 Sta1", "CONN_CLOSE"]


def test_garbage_in_place_of_a_request(watcher, peer) -> None:
    port = port_of(peer)
    peer.send(wire.pdu(0x0B, b"    "))
    peer.recv_all()
    peer.close()
    seen = told(watcher, port)
    assert seen == [
        *OPENED,
        "DATA_RECV",
        "PDU_RECV PDU type 0BH",
        "FSM_TRANSITION Sta2 Evt19 AA-1 Sta13",
        "DATA_SENT",
        "PDU_SENT AAbort",
        "ABORTED 0 0",
        *CLOSED,
    ]


def test_what_every_event_has(gateway, watcher, peer) -> None:
    port = port_of(peer)
    before = datetime.now().timestamp()  # the connection was opened a moment ago
    peer.associate(wire.context(1), wire.context(3, wire.CT))
    peer.release()
    peer.close()
    seen = watcher.of(port)
    assert len({one.assoc["id"] for one in seen}) == 1
    assert [one.at for one in seen] == sorted(one.at for one in seen)
    assert before - 60 <= seen[0].at
    assert before <= seen[-1].at <= datetime.now().timestamp()
    for one in seen:
        assert one.catalogue, "event.event is evt's own"
        assert one.description == NOTIFICATIONS[one.name].description
        assert one.assoc["remote"] == ["127.0.0.1", port]
        assert one.assoc["local"] == list(gateway.address)
        assert one.assoc["ae"] == "GATEWAY"
    asked = next(one for one in seen if one.name == "EVT_REQUESTED")
    assert (asked.assoc["calling"], asked.assoc["called"]) == ("RAWPEER", "GATEWAY")
    assert (asked.assoc["contexts"], asked.assoc["is"]) == ([], [])
    established = next(one for one in seen if one.name == "EVT_ESTABLISHED")
    assert (established.assoc["contexts"], established.assoc["is"]) == ([1, 3], ["established"])
    released = next(one for one in seen if one.name == "EVT_RELEASED")
    assert released.assoc["is"] == ["released"]
    assert [s.address for s in (seen[0], seen[-1])] == [["127.0.0.1", port]] * 2


def test_data_is_the_whole_pdu(watcher, peer) -> None:
    port = port_of(peer)
    request = wire.associate_rq()
    peer.send(request)
    acceptance = peer.recv_pdu()
    peer.send(wire.message(1, wire.echo_rq()))
    response = peer.recv_pdu()
    peer.release()
    peer.close()
    seen = watcher.of(port)
    received = [one for one in seen if one.name == "EVT_DATA_RECV"]
    sent = [one for one in seen if one.name == "EVT_DATA_SENT"]
    for events, pdus in (
        (received, [request, wire.message(1, wire.echo_rq()), wire.release_rq()]),
        (sent, [acceptance, response, wire.release_rp()]),
    ):
        assert [(one.data, one.length, one.truncated) for one in events] == [
            ({"bytes": pdu[:16].hex(), "length": len(pdu)}, len(pdu), False) for pdu in pdus
        ]


def test_messages(watcher, peer) -> None:
    port = port_of(peer)
    instance = instances.make()
    peer.associate(wire.context(1), instance.context(3))
    peer.echo()
    peer.store(instance, context_id=3)
    peer.release()
    peer.close()
    messages = [one for one in watcher.of(port) if one.name.startswith("EVT_DIMSE")]
    size = len(instance.data_set)
    assert [(s.kind, s.command, s.context_id, s.data_set, s.length) for s in messages] == [
        ("CEchoRQ", [0x0030, None], 1, 0, 0),
        ("CEchoRSP", [0x8030, 0x0000], 1, 0, 0),
        ("CStoreRQ", [0x0001, None], 3, size, size),
        ("CStoreRSP", [0x8001, 0x0000], 3, 0, 0),
    ]
    assert not any(one.truncated for one in messages)


def test_big_data_is_cut(watcher, peer) -> None:
    port = port_of(peer)
    instance = instances.make(size=200_000)
    size = len(instance.data_set)
    peer.associate(instance.context())
    command = wire.store_rq(instance.uid)
    peer.send(wire.message(1, command, instance.data_set, pdu_size=size + 6))
    assert peer.recv_response().status == 0
    peer.release()
    peer.close()
    seen = watcher.of(port)
    data = [one for one in seen if one.name == "EVT_DATA_RECV" and one.truncated]
    assert [(s.data["length"], s.length) for s in data] == [(EXCERPT, size + 12)]
    pdus = [one for one in seen if one.name == "EVT_PDU_RECV" and one.truncated]
    assert [(s.pdu, s.length) for s in pdus] == [("PDataTF", size + 12)]
    messages = [one for one in seen if one.name == "EVT_DIMSE_RECV"]
    assert [(s.data_set, s.length, s.truncated) for s in messages] == [(EXCERPT, size, True)]

"""What an operator reads: one line for each association, and a log that stops nobody."""

from __future__ import annotations

import json

from tests.conftest import running
from tests.peers import instances, sender, wire
from tests.peers.raw import RawPeer, echo_ok

FLOOD = 300
"""Connections that break the protocol, with a line of 150 characters each; a pipe takes 4 KiB."""


def test_each_association_is_one_line_with_its_peer_and_counts() -> None:
    with running('[log]\nformat = "json"\n') as gateway:
        mine = instances.many(3, size=2000)
        sender.store_all(gateway.address, mine)
        found = gateway.program.err.wait_for(r'.*"ended": "released".*')
        line = json.loads(found[0])
        assert line["process"] == "acceptor-0"
        assert (line["messages"], line["instances"], line["contexts"]) == (3, 3, 1)
        assert line["statuses"] == "C-STORE:0000=3"
        assert line["calling"]
        assert line["called"]
        assert line["peer"].startswith("127.0.0.1:")
        assert line["received"] > 5000
        assert line["sent"] > 0


def test_a_warning_about_a_peer_names_its_address_and_titles() -> None:
    with running('[policy]\ncalling_ae_titles = ["CT1"]\n') as gateway:
        with RawPeer(gateway.address) as peer:
            peer.send(wire.associate_rq(calling="STRANGER"))
            peer.recv_all()
        gateway.program.err.wait_for(
            r"warning .* association=\w+ peer=127\.0\.0\.1:\d+ calling='STRANGER' called='GATEWAY' "
            r"A-ASSOCIATE-RJ \(1,1,3\)"
        )


def test_standard_error_that_nobody_reads_stops_nothing() -> None:
    with running("[log]\nrepeats = 0\n", reads_log=False) as gateway:
        for _ in range(FLOOD):
            with RawPeer(gateway.address) as peer:
                peer.send(wire.pdu(9, b"this is not DICOM") * 4)
                peer.recv_all()
        assert echo_ok(gateway.address)

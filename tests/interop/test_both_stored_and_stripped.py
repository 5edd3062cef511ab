"""Data sets that do not parse reach the handler; C-GET Without Bulk Data leaves bulk data out."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from tests.interop.both import CT, Told, finish, instance, role, send
from tests.peers import instances, wire
from tests.peers.raw import RawPeer

WITHOUT_BULK_DATA = "1.2.840.10008.5.1.4.1.2.5.3"
GOOD = instances.make(size=600).data_set
ODD = {
    "garbage": b"\0garbage!" * 7 + b"\1",
    "cut": GOOD[:101],
    "of another instance": GOOD,
    "empty": b"",
}


@pytest.mark.parametrize("kind", ODD)
def test_a_data_set_that_does_not_parse_or_disagrees_reaches_the_handler(pair, kind) -> None:
    told = Told()
    server = pair.serve([CT], [("EVT_C_STORE", lambda event: told.put("asked") or 0x0000)])
    command = wire.command_set(
        wire.element(0x0002, wire.uid_value(CT)),
        wire.element(0x0100, wire.us(1)),
        wire.element(0x0110, wire.us(1)),
        wire.element(0x0700, wire.us(0)),
        wire.element(0x0800, wire.us(1)),
        wire.element(0x1000, wire.uid_value("1.2.3.999")),
    )
    with RawPeer(("127.0.0.1", server.server_address[1])) as peer:
        peer.associate(wire.context(1, CT, wire.EXPLICIT))
        peer.send(wire.message(1, command, ODD[kind]))
        ((_, _, response),) = wire.parse_pdvs(peer.recv_pdu())
        assert wire.status_of(response) == 0x0000
    assert told.next() == "asked"


def test_bulk_data_is_left_out(pair) -> None:
    told = Told()

    def get(event):
        yield 1
        yield 0xFF00, instance(1)

    server = pair.serve(
        [WITHOUT_BULK_DATA, (CT, None, True, True)],
        [("EVT_C_GET", get)],
    )
    stores = [("EVT_C_STORE", lambda event: told.put(event.dataset) or 0x0000)]
    negotiated = [role(CT, scp=True)]
    assoc = pair.associate(server, [WITHOUT_BULK_DATA, CT], stores, ext_neg=negotiated)
    query = Dataset()
    query.QueryRetrieveLevel, query.SOPInstanceUID = "IMAGE", instance(1).SOPInstanceUID
    final, _ = send(assoc, "c_get", query, WITHOUT_BULK_DATA)[-1]
    assert final.Status == 0x0000
    stored = told.next()
    assert "PixelData" not in stored
    assert stored.PatientID == "P1"
    finish(assoc)

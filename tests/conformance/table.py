"""The runner of this folder's tables: send bytes in a state, check everything that returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.peers import wire
from tests.peers.raw import EOF, RawPeer, show

if TYPE_CHECKING:
    from tests.peers.raw import Address, ConnectionReset

PDUS = {
    "A-ASSOCIATE-RQ": wire.associate_rq(),
    "A-ASSOCIATE-AC": wire.associate_ac((1, 0, wire.IMPLICIT)),
    "A-ASSOCIATE-RJ": wire.associate_rj(1, 1, 1),
    "P-DATA-TF": wire.p_data(wire.pdv(1, 3, wire.echo_rq())),
    "A-RELEASE-RQ": wire.release_rq(),
    "A-RELEASE-RP": wire.release_rp(),
}
"""One good PDU of each kind but A-ABORT."""

UNKNOWN_PDUS = {f"PDU type {kind:02X}H": wire.pdu(kind, bytes(4)) for kind in (0, 8, 0x40, 0xFF)}

WRONG_LENGTHS = {
    f"{name} of {length} bytes": wire.pdu(kind, bytes(length))
    for name, kind in (
        ("A-ASSOCIATE-RJ", wire.RJ),
        ("A-RELEASE-RQ", wire.RELEASE_RQ),
        ("A-RELEASE-RP", wire.RELEASE_RP),
        ("A-ABORT", wire.ABORT),
    )
    for length in (0, 3, 5)
}
"""PDUs that PS3.8 9.3 gives a length of 4 and that have another one."""

TOO_LONG = {
    "A-ASSOCIATE-RQ of 1 MiB and a byte": wire.pdu(wire.RQ, b"", length=(1 << 20) + 1),
    "A-ASSOCIATE-RQ of 4 GiB": wire.pdu(wire.RQ, b"", length=0xFFFFFFFF),
    "A-ASSOCIATE-AC of 4 GiB": wire.pdu(wire.AC, b"", length=0xFFFFFFFF),
}
"""Only headers: the decision must not wait for the body."""


def open_association(address: Address, **fields) -> RawPeer:
    """Established: context 1 Verification, 3 CT in explicit VR little endian; 5 is refused."""
    peer = RawPeer(address)
    try:
        accepted = peer.associate(
            wire.context(1),
            wire.context(3, wire.CT, wire.EXPLICIT),
            wire.context(5, "1.2.3.4.5"),
            **fields,
        )
        assert {id_: result for id_, (result, _) in accepted.contexts.items()} == {1: 0, 3: 0, 5: 3}
    except BaseException:
        peer.close()
        raise
    return peer


def expect(peer: RawPeer, *pdus: bytes) -> None:
    """Exactly these PDUs come, then a clean end of the stream."""
    got: list[bytes | ConnectionReset] = peer.recv_all()
    assert got == [*pdus, EOF], "expected {}, got {}".format(
        " | ".join(show(p) for p in (*pdus, EOF)), " | ".join(show(g) for g in got)
    )


def expect_abort(peer: RawPeer) -> tuple[int, int]:
    """Any A-ABORT, then the end; its source and reason."""
    got = peer.recv_all()
    good = len(got) == 2 and isinstance(got[0], bytes) and got[0][:1] == b"\x07" and got[1] == EOF
    assert good, f"expected an A-ABORT and the end, got {' | '.join(show(g) for g in got)}"
    return got[0][8], got[0][9]


def parameters(table: dict) -> dict:
    """A dict as the arguments of `pytest.mark.parametrize`."""
    return {"argvalues": list(table.values()), "ids": list(table)}

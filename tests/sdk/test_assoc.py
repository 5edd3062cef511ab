import msgpack
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from gateway.sdk import assoc
from tests.sdk.conftest import ASSOC


def test_both_sides(blob):
    seen = assoc.decode(blob)
    assert (seen.id, seen.acceptor_name, seen.mode) == ("0-17", "acceptor-0", "acceptor")
    assert seen.ae.ae_title == "GATEWAY"
    assert (seen.local, seen.remote) == (("127.0.0.1", 11112), ("127.0.0.1", 50000))
    peer = seen.requestor
    assert (peer.ae_title, peer.address, peer.port) == ("MODALITY", "127.0.0.1", 50000)
    assert (peer.maximum_length, peer.implementation_version_name) == (16382, "THEM_1")
    assert peer.implementation_class_uid == UID("1.2.826.0.1")
    assert peer.user_identity == assoc.UserIdentity(2, b"user", b"word")
    assert peer.sop_class_extended == {"1.2.840.10008.5.1.4.1.2.1.1": b"\x01"}
    assert peer.role_selection == {CTImageStorage: (False, True)}
    assert peer.asynchronous_operations == (4, 2)
    assert peer.is_requestor
    assert not peer.is_acceptor
    assert seen.acceptor.ae_title == "GATEWAY"
    assert seen.acceptor.asynchronous_operations == (1, 1)
    assert seen.acceptor.user_identity is None


def test_info_is_what_pynetdicom_gives(blob):
    assert assoc.decode(blob).requestor.info == {
        "ae_title": "MODALITY",
        "address": "127.0.0.1",
        "port": 50000,
        "mode": "requestor",
        "pdv_size": 16382,
    }


def test_contexts(blob):
    seen = assoc.decode(blob)
    (accepted,) = seen.accepted_contexts
    assert (accepted.context_id, accepted.abstract_syntax) == (1, CTImageStorage)
    assert accepted.transfer_syntax == [ExplicitVRLittleEndian]
    assert (accepted.as_scu, accepted.as_scp, accepted.result) == (True, False, 0)
    (rejected,) = seen.rejected_contexts
    assert (rejected.context_id, rejected.result, rejected.transfer_syntax) == (3, 3, [])
    assert rejected.abstract_syntax.name == "Verification SOP Class"


def test_states():
    for state in ("established", "released", "aborted", "rejected"):
        seen = assoc.decode(msgpack.packb({**ASSOC, "state": state}))
        said = {
            s: getattr(seen, f"is_{s}") for s in ("established", "released", "aborted", "rejected")
        }
        assert said == {s: s == state for s in said}


def test_one_decoding_for_all_events(blob):
    assert assoc.decode(blob) is assoc.decode(bytes(bytearray(blob)))
    assert assoc.decode(blob).requestor is assoc.decode(blob).requestor


def test_nothing_known():
    seen = assoc.decode(b"")
    assert (seen.id, seen.remote, seen.accepted_contexts) == ("", ("", 0), [])
    assert seen.requestor.ae_title == ""
    assert not seen.is_established
    assert assoc.decode(msgpack.packb([1, 2])).id == ""

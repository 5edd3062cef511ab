"""The extended negotiation of query and retrieve: what is answered, and what it then means."""

from __future__ import annotations

import pytest
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from gateway.settings import ArchiveSettings
from gateway.uid import KEYWORDS
from tests.data_sets import data_set
from tests.peers import instances
from tests.peers.sender import store_all
from workers.archive.extended_negotiation import Agreed, answers
from workers.archive.identifier import PATIENT_ROOT, PATIENT_STUDY_ONLY, STUDY_ROOT

FIND, MOVE = f"{STUDY_ROOT}1", f"{STUDY_ROOT}2"
GET = f"{STUDY_ROOT}3"


@pytest.mark.parametrize(
    ("relational", "combined", "uid", "said", "answer"),
    [
        (True, True, FIND, b"\1\1\1\1\1", b"\1\1\0\0\0"),
        (True, True, FIND, b"\1", b"\1"),
        (True, True, FIND, b"\0\1\0", b"\0\1\0"),
        (True, True, FIND, b"\2\xff", b"\0\0"),
        (True, True, FIND, b"", b""),
        (True, False, FIND, b"\1\1", b"\1\0"),
        (False, True, FIND, b"\1\1", b"\0\1"),
        (False, True, f"{PATIENT_ROOT}1", b"\1\1", b"\0\1"),
        (False, True, f"{PATIENT_STUDY_ONLY}1", b"\1\1", b"\0\1"),
        (True, True, MOVE, b"\1\1", b"\1\0"),
        (True, True, GET, b"\1\1", b"\1\0"),
    ],
)
def test_what_is_answered(relational, combined, uid, said, answer):
    settings = ArchiveSettings(relational=relational, combined=combined)
    assert answers(settings, {uid: said, "1.2.3": b"\1"}) == {uid: answer}


@pytest.mark.parametrize(
    ("uid", "answered", "agreed"),
    [
        (FIND, {}, Agreed()),
        (FIND, {FIND: b""}, Agreed()),
        (FIND, {FIND: b"\1"}, Agreed(relational=True)),
        (FIND, {FIND: b"\0\1\0"}, Agreed(combined=True)),
        (FIND, {MOVE: b"\1\1"}, Agreed()),
        (MOVE, {MOVE: b"\1\1"}, Agreed(relational=True)),
    ],
)
def test_what_it_then_means(uid, answered, agreed):
    assert Agreed.of(uid, answered) == agreed


def find(gateway, proposed: bytes | None, **keys) -> tuple[int, int, bytes | None]:
    """The final status, the number of matches, and what was answered."""
    ae = AE()
    ae.add_requested_context(KEYWORDS["StudyRootQueryRetrieveInformationModelFind"])
    wanted = SOPClassExtendedNegotiation()
    wanted.sop_class_uid, wanted.service_class_application_information = FIND, proposed or b"\0"
    assoc = ae.associate(*gateway.address, ext_neg=[wanted] if proposed else [])
    *matches, (final, _) = assoc.send_c_find(data_set(**keys), FIND)
    answered = assoc.acceptor.sop_class_extended.get(FIND)
    assoc.release()
    return final.Status, len(matches), answered


def test_on_the_wire(start_gateway):
    gateway = start_gateway("[archive]\nrelational = true\ncombined = true\n")
    assert store_all(gateway.address, [instances.make()]).failed == {}  # of 2024-01-31 12:00
    keys = {"StudyDate": "20240130-20240201", "StudyTime": "1300-1100"}
    study = {"QueryRetrieveLevel": "STUDY", **keys}
    assert find(gateway, None, **study) == (0x0000, 0, None)
    assert find(gateway, b"\0\1", **study) == (0x0000, 1, b"\0\1")
    assert find(gateway, b"\1\0", **study) == (0x0000, 0, b"\1\0")
    series = {"QueryRetrieveLevel": "SERIES", **keys}
    assert find(gateway, b"\0\1", **series) == (0xA900, 0, b"\0\1")
    assert find(gateway, b"\1\1\1", **series) == (0x0000, 1, b"\1\1\0")

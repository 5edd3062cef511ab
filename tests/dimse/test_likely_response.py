"""The response that a peer will most likely send: right, or not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dimse.fragmenter import fragment
from gateway.dimse.likely_response import LikelyResponse
from gateway.dimse.message import CStoreRQ, CStoreRSP, decode
from gateway.dimse.status import PROCESSING_FAILURE, SUCCESS

CT = "1.2.840.10008.5.1.4.1.1.2"

uids = st.lists(st.integers(0, 10**9), min_size=2, max_size=6).map(
    lambda parts: ".".join(map(str, parts))
)
numbers = st.integers(0, 0xFFFF)


def response(request: CStoreRQ, *, with_uids: bool = True, status: int = SUCCESS) -> CStoreRSP:
    sop_class, uid = request.affected_sop_class_uid, request.affected_sop_instance_uid
    uids = (sop_class, None, uid) if with_uids else ()
    return CStoreRSP(request.message_id, status, *uids)


def learned(request: CStoreRQ, *, with_uids: bool = True) -> LikelyResponse:
    form, answer = LikelyResponse(), response(request, with_uids=with_uids)
    form.learn(request, answer, answer.encode())
    return form


def command_set(pdu: bytes, context_id: int) -> bytes:
    """Return the command set in a PDU, which is the one that this side would send."""
    found = pdu[12:]
    assert pdu == b"".join(fragment(context_id, found, None, 0))
    return found


@given(numbers, uids, numbers, uids, st.booleans())
def test_what_is_likely_decodes_to_success_of_that_request(first, uid, second, other, with_uids):
    form = learned(CStoreRQ(first, CT, uid), with_uids=with_uids)
    request = CStoreRQ(second, CT, other)
    if likely := form.to(request, 5):
        assert decode(command_set(likely, 5)) == (response(request, with_uids=with_uids), False)


@pytest.mark.parametrize("with_uids", [True, False])
def test_it_is_what_the_peer_sends(with_uids):
    form = learned(CStoreRQ(7, CT, "1.2.30"), with_uids=with_uids)
    request = CStoreRQ(8, CT, "1.2.31")
    expected = response(request, with_uids=with_uids).encode()
    assert command_set(form.to(request, 3), 3) == expected


def test_uids_of_several_lengths_have_a_form_each():
    form, requests = LikelyResponse(), [CStoreRQ(7, CT, "1.2.30"), CStoreRQ(8, CT, "1.2.3000")]
    for request in requests:
        form.learn(request, response(request), response(request).encode())
    for request in requests:
        assert command_set(form.to(request, 1), 1) == response(request).encode()


def test_uids_of_another_length_have_another_response():
    assert learned(CStoreRQ(7, CT, "1.2.30")).to(CStoreRQ(8, CT, "1.2.3000"), 1) == b""


def test_nothing_is_likely_before_a_success_was_learned():
    form, request = LikelyResponse(), CStoreRQ(7, CT, "1.2.30")
    assert form.to(request, 1) == b""
    failed = response(request, status=PROCESSING_FAILURE)
    form.learn(request, failed, failed.encode())
    assert form.to(request, 1) == b""


def test_a_message_id_that_occurs_twice_has_no_form():
    """An error comment may have any bytes: those of the element of the message ID, too."""
    request = CStoreRQ(0x4141, CT, "1.2.30")
    number = response(request).encode().index(b"\x20\x01\x02\0\0\0AA")
    comment = response(request).encode()[number - 2 : number + 8].decode("latin-1")
    strange = CStoreRSP(0x4141, SUCCESS, CT, comment, "1.2.30")
    form = LikelyResponse()
    form.learn(request, strange, strange.encode())
    assert form.to(CStoreRQ(0x4142, CT, "1.2.31"), 1) == b""

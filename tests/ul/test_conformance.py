"""Decisions where implementations differ, with a test for each row (PS3.8)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.ul.fsm import Closing, State
from gateway.ul.items import PresentationContextAC, UserInformation
from gateway.ul.negotiation import Answers, negotiate
from gateway.ul.pdu import AAbort, AAssociateAC, AAssociateRJ, decode_pdu
from gateway.ul.primitives import (
    AAssociateAccept,
    AAssociateConfirmation,
    AAssociateIndication,
    AAssociateReject,
    APAbortIndication,
    AReleaseIndication,
    Origin,
    PDataPart,
)
from gateway.ul.upper_layer import Side, UpperLayer
from tests.ul import support as s


def ask(data: bytes) -> tuple[UpperLayer, AAssociateAC | AAssociateRJ | AAbort]:
    """Return the response of an acceptor under the test policy to the bytes of a peer."""
    association = s.acceptor()
    association.receive_data(data, 1.0)
    for primitive in s.drain(association):
        assert isinstance(primitive, AAssociateIndication)
        answer = negotiate(primitive.request, s.POLICY, Answers())
        if isinstance(answer, AAssociateAC):
            association.send(AAssociateAccept(answer), 1.0)
        else:
            association.send(AAssociateReject(answer), 1.0)
    answer = decode_pdu(s.sent(association))
    assert isinstance(answer, AAssociateAC | AAssociateRJ | AAbort)
    return association, answer


def rejected(data: bytes) -> AAssociateRJ:
    association, answer = ask(data)
    assert isinstance(answer, AAssociateRJ)
    assert association.rejection == answer
    assert (association.state, association.closing) == (State.Sta13, Closing.SHUTDOWN)
    assert association.deadline == 31.0
    return answer


def accepted(data: bytes) -> AAssociateAC:
    association, answer = ask(data)
    assert isinstance(answer, AAssociateAC)
    assert association.state is State.Sta6
    return answer


class TestRequests:
    def test_protocol_version_bit_0_decides(self):
        assert accepted(s.associate_rq(version=0x0003)).protocol_version == 1
        assert rejected(s.associate_rq(version=0x0002)) == AAssociateRJ(1, 2, 2)

    def test_wrong_application_context_name(self):
        assert rejected(s.associate_rq(application="1.2.3")) == AAssociateRJ(1, 1, 2)

    @pytest.mark.parametrize("ids", [[2], [0], [1, 1], [1, 3, 4]])
    def test_context_id_even_zero_or_twice(self, ids):
        data = s.associate_rq(contexts=b"".join(map(s.context, ids)))
        assert rejected(data) == AAssociateRJ(1, 2, 1)

    def test_more_than_128_contexts(self):
        ids = [*range(1, 256, 2), 1]
        data = s.associate_rq(contexts=b"".join(map(s.context, ids)))
        assert rejected(data) == AAssociateRJ(1, 2, 1)

    def test_128_contexts(self):
        data = s.associate_rq(contexts=b"".join(map(s.context, range(1, 256, 2))))
        assert len(accepted(data).presentation_contexts) == 128

    def test_no_presentation_context(self):
        association, answer = ask(s.associate_rq(contexts=b""))
        assert answer == AAbort(0, 0)
        assert (association.state, association.deadline) == (State.Sta13, 31.0)

    def test_unknown_user_information_sub_item(self):
        items = s.DEFAULT_USER_ITEMS + s.item(0x5F, b"unknown")
        assert accepted(s.associate_rq(user_items=items))

    def test_blank_ae_titles(self):
        assert rejected(s.associate_rq(called=b" " * 16)) == AAssociateRJ(1, 1, 7)
        assert rejected(s.associate_rq(calling=b" " * 16)) == AAssociateRJ(1, 1, 3)

    @pytest.mark.parametrize("title", [b"  SERVER        ", b"SERVER\0\0\0\0\0\0\0\0\0\0"])
    def test_padding_of_ae_titles_is_not_significant_and_is_echoed(self, title):
        reserved = bytes(range(100, 132))
        data = s.associate_rq(called=title, reserved=reserved)
        request = decode_pdu(data)
        policy = replace(s.POLICY, require_called_ae_title=True)
        answer = negotiate(request, policy, Answers())
        assert answer.encode()[10:74] == data[10:74]

    def test_contexts_with_nothing_acceptable(self):
        contexts = s.context(1, "1.2.3") + s.context(3, s.CT, s.JPEG) + s.context(5, s.CT)
        answer = accepted(s.associate_rq(contexts=contexts))
        assert [(c.id, int(c.result)) for c in answer.presentation_contexts] == [
            *((1, 3), (3, 4), (5, 0))
        ]

    def test_the_association_lives_with_no_context_at_all(self):
        assert accepted(s.associate_rq(contexts=s.context(1, "1.2.3")))

    def test_reserved_bytes_are_not_tested(self):
        data = bytearray(s.GOOD_RQ)
        for position in (1, 8, 9, *range(42, 74), 75):
            data[position] = 0xFF
        assert accepted(bytes(data))


NOT_A_REQUEST = {
    "A-ASSOCIATE-AC": s.ACCEPTANCE.encode(),
    "A-ASSOCIATE-RJ": s.REJECT,
    "P-DATA-TF": s.p_data(s.pdv(1, 3, b"ab")),
    "A-RELEASE-RQ": s.RELEASE_RQ,
    "A-RELEASE-RP": s.RELEASE_RP,
    "unknown": s.UNKNOWN,
    "too long": bytes.fromhex("01 00 00100001"),
    "cut short": s.pdu(1, s.GOOD_RQ[6:-1]),
    "A-ABORT of a wrong length": s.pdu(7, bytes(5)),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS hello": bytes.fromhex("16 03 01 02 00 01 00 01 fc 03 03"),
    "SSH banner": b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
    "zeros": bytes(1000),
}


class TestSta2:
    @pytest.mark.parametrize("data", NOT_A_REQUEST.values(), ids=NOT_A_REQUEST)
    def test_anything_but_a_good_request(self, data):
        association = s.acceptor()
        association.receive_data(data, 1.0)
        assert s.sent(association)[:10] == s.ABORT_BY_USER
        assert (association.state, association.closing) == (State.Sta13, Closing.SHUTDOWN)
        assert association.deadline == 31.0
        assert association.error is not None
        assert s.drain(association) == []
        association.handle_deadline(31.0)
        assert (association.state, association.closing) == (State.Sta1, Closing.CLOSE)

    def test_an_abort(self):
        association = s.acceptor()
        association.receive_data(s.ABORT_BY_USER, 1.0)
        assert (association.state, association.closing) == (State.Sta1, Closing.CLOSE)
        assert (s.sent(association), association.deadline) == (b"", None)

    def test_a_close(self):
        association = s.acceptor()
        association.receive_eof(1.0)
        assert (association.state, association.closing) == (State.Sta1, Closing.CLOSE)
        assert (s.sent(association), association.deadline) == (b"", None)


def abort_of(association: UpperLayer, data: bytes) -> bytes:
    """The A-ABORT that bytes bring about; the user is told the same."""
    association.receive_data(data, 1.0)
    (*before, indication) = s.drain(association)
    assert all(isinstance(primitive, PDataPart) for primitive in before)
    assert isinstance(indication, APAbortIndication)
    assert indication.origin is Origin.LOCAL
    assert (association.state, association.closing) == (State.Sta13, Closing.SHUTDOWN)
    assert association.deadline == 31.0
    output = s.sent(association)
    assert output == s.provider_abort(indication.reason)
    return output


BAD_DATA = {
    "PDV length 0": s.p_data(b"\0\0\0\0\1\3"),
    "PDV length 1": s.p_data(b"\0\0\0\1\1\3"),
    "PDV past the PDU": s.p_data(b"\0\0\0\x09\1\3abc"),
    "no PDV": s.p_data(),
    "1 trailing byte": s.p_data(s.pdv(1, 3, b"ab"), bytes(1)),
    "2 trailing bytes": s.p_data(s.pdv(1, 3, b"ab"), bytes(2)),
    "3 trailing bytes": s.p_data(s.pdv(1, 3, b"ab"), bytes(3)),
    "context not accepted": s.p_data(s.pdv(5, 3, b"ab")),
    "longer than announced": (b"\4\0" + (s.MAX_PDU + 1).to_bytes(4, "big")),
    "RQ longer than 1 MiB": bytes.fromhex("01 00 00100001"),
    "AC longer than 1 MiB": bytes.fromhex("02 00 7fffffff"),
    "RJ not 4 long": s.pdu(3, bytes(3)),
    "RELEASE-RQ not 4 long": s.pdu(5, bytes(5)),
    "RELEASE-RP not 4 long": s.pdu(6, b""),
    "ABORT not 4 long": s.pdu(7, bytes(6)),
    "RQ that cannot be decoded": s.pdu(1, bytes(70)),
}


class TestAssociated:
    @pytest.mark.parametrize("side", list(Side))
    @pytest.mark.parametrize("data", BAD_DATA.values(), ids=BAD_DATA)
    def test_bad_values(self, data, side):
        assert abort_of(s.established(side), data) == s.provider_abort(6)

    def test_a_refused_context_is_not_accepted(self):
        association = s.acceptor()
        association.receive_data(s.associate_rq(contexts=s.context(1) + s.context(3, "1.2.3")), 1.0)
        acceptance = negotiate(association.request, s.POLICY, Answers())
        association.send(AAssociateAccept(acceptance), 1.0)
        s.emptied(association)
        assert abort_of(association, s.p_data(s.pdv(3, 3, b"ab"))) == s.provider_abort(6)

    @pytest.mark.parametrize("side", list(Side))
    @pytest.mark.parametrize("state", [*range(3, 4), *range(5, 13)])
    @pytest.mark.parametrize(
        ("data", "reason"), [(s.UNKNOWN, 1), (s.GOOD_RQ, 2), (s.pdu(6, bytes(5)), 6)]
    )
    def test_the_reason_of_aa_8(self, side, state, data, reason):
        if state in (s.ACCEPTOR_STATES if side is Side.ACCEPTOR else s.REQUESTOR_STATES):
            assert abort_of(s.reach(state, side), data) == s.provider_abort(reason)

    def test_two_messages_in_one_p_data_tf(self):
        association = s.answered()
        association.receive_data(s.p_data(s.pdv(1, 3, b"one"), s.pdv(3, 3, b"two")), 1.0)
        parts = [(part.context_id, bytes(part.data)) for part in s.drain(association)]
        assert parts == [(1, b"one"), (3, b"two")]

    def test_odd_fragments_and_an_empty_last_one(self):
        association = s.answered()
        association.receive_data(s.p_data(s.pdv(1, 0, b"odd"), s.pdv(1, 2)), 1.0)
        parts = [(bytes(part.data), part.last) for part in s.drain(association)]
        assert parts == [(b"odd", False), (b"", True)]

    def test_header_bits_2_to_7_are_not_tested(self):
        association = s.answered()
        association.receive_data(s.p_data(s.pdv(1, 0xFD, b"a"), s.pdv(1, 0xFE, b"b")), 1.0)
        parts = [(part.command, part.last) for part in s.drain(association)]
        assert parts == [(True, False), (False, True)]

    def test_data_after_the_release_request(self):
        waiting = s.reach(7, Side.REQUESTOR)
        waiting.receive_data(s.p_data(s.pdv(1, 3, b"ab")), 1.0)
        assert len(s.drain(waiting)) == 1
        asked = s.reach(8, Side.ACCEPTOR)
        asked.send_pdata(s.p_data(s.pdv(1, 3, b"ab")), 1.0)
        assert (waiting.state, asked.state) == (State.Sta7, State.Sta8)
        assert s.sent(asked) == s.p_data(s.pdv(1, 3, b"ab"))

    def test_release_collision(self):
        requestor, acceptor = s.reach(7, Side.REQUESTOR), s.reach(7, Side.ACCEPTOR)
        for association in (requestor, acceptor):
            association.receive_data(s.RELEASE_RQ, 1.0)
            assert s.drain(association) == [AReleaseIndication()]
        assert (requestor.state, acceptor.state) == (State.Sta9, State.Sta10)
        assert s.reach(11, Side.REQUESTOR).state is State.Sta11
        assert s.reach(12, Side.ACCEPTOR).state is State.Sta12


class TestSta13:
    def test_a_request_is_aborted_again(self):
        association = s.reach(13, Side.ACCEPTOR)
        association.receive_data(s.GOOD_RQ, 1.0)
        assert s.sent(association) == s.provider_abort(2)
        assert association.state is State.Sta13

    def test_a_bad_pdu_is_aborted_again(self):
        association = s.reach(13, Side.ACCEPTOR)
        association.receive_data(s.UNKNOWN, 1.0)
        assert s.sent(association) == s.provider_abort(1)

    def test_other_pdus_are_ignored(self):
        association = s.reach(13, Side.ACCEPTOR)
        data = s.p_data(s.pdv(1, 3, b"ab")) + s.RELEASE_RQ + s.RELEASE_RP + s.REJECT
        association.receive_data(data + s.ACCEPTANCE.encode(), 1.0)
        assert (s.drain(association), s.sent(association)) == ([], b"")
        assert (association.state, association.closing) == (State.Sta13, Closing.SHUTDOWN)

    def test_a_rejected_peer_that_does_not_close(self):
        association, _ = ask(s.associate_rq(called=b" " * 16))
        association.receive_data(s.GOOD_RQ, 20.0)
        association.handle_deadline(31.0)
        assert (association.state, association.closing) == (State.Sta1, Closing.CLOSE)


class TestRequestor:
    @pytest.mark.parametrize(
        "answer",
        [
            PresentationContextAC(99, 3, ""),
            PresentationContextAC(99, 0, s.IMPLICIT),
            PresentationContextAC(1, 0, s.JPEG),
            PresentationContextAC(1, 200, s.IMPLICIT),
        ],
    )
    def test_a_wrong_answer_costs_its_context_only(self, answer):
        right = PresentationContextAC(3, 0, s.EXPLICIT)
        association = s.emptied(s.connected())
        acceptance = replace(s.ACCEPTANCE, presentation_contexts=(answer, right))
        association.receive_data(acceptance.encode(), 1.0)
        assert [type(p) for p in s.drain(association)] == [AAssociateConfirmation]
        assert list(association.accepted_contexts) == [3]

    @pytest.mark.parametrize("numbers", [(0, 0, 0), (3, 1, 1), (1, 4, 1), (255, 255, 255)])
    def test_a_rejection_with_reserved_values(self, numbers):
        association = s.emptied(s.connected())
        association.receive_data(AAssociateRJ(*numbers).encode(), 1.0)
        assert s.drain(association) == [AAssociateConfirmation(AAssociateRJ(*numbers))]

    def test_data_on_a_context_that_was_refused(self):
        answers = (PresentationContextAC(1, 0, s.IMPLICIT), PresentationContextAC(3, 3, ""))
        association = s.emptied(s.connected())
        acceptance = replace(s.ACCEPTANCE, presentation_contexts=answers)
        association.receive_data(acceptance.encode(), 1.0)
        assert [type(p) for p in s.drain(association)] == [AAssociateConfirmation]
        assert abort_of(association, s.p_data(s.pdv(3, 3, b"ab"))) == s.provider_abort(6)

    def test_the_peers_maximum_length(self):
        association = s.emptied(s.connected())
        acceptance = replace(s.ACCEPTANCE, user_information=UserInformation(7))
        association.receive_data(acceptance.encode(), 1.0)
        assert association.peer_max_length == 7

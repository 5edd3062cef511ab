"""Associations, alone and two joined without a socket."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.ul.fsm import Closing, State, Transition
from gateway.ul.items import UserInformation
from gateway.ul.negotiation import AcceptedContext
from gateway.ul.pdu import PDV, AAssociateRJ, PDataTF
from gateway.ul.primitives import (
    AAbortIndication,
    AAbortRequest,
    AAssociateAccept,
    AAssociateConfirmation,
    AAssociateIndication,
    AAssociateReject,
    AAssociateRequest,
    APAbortIndication,
    AReleaseConfirmation,
    AReleaseIndication,
    AReleaseRequest,
    AReleaseResponse,
    Origin,
    PDataPart,
    PduTraced,
    TransportConnected,
)
from gateway.ul.upper_layer import Side, Trace, UpperLayer
from tests.ul import support as s

DATA = s.p_data(s.pdv(1, 3, b"command"), s.pdv(1, 2, b"data"))


class Pair:
    """A requestor and an acceptor whose bytes go straight across."""

    def __init__(self, chunk: int = 1 << 20) -> None:
        self.requestor = s.requestor()
        self.acceptor = s.acceptor()
        self.chunk = chunk
        self.now = 0.0

    def carry(self) -> None:
        """Bytes go both ways until there are none."""
        both = (self.requestor, self.acceptor)
        while any([self._carry(*both), self._carry(*reversed(both))]):
            self.now += 1.0

    def _carry(self, source: UpperLayer, target: UpperLayer) -> bool:
        data = s.sent(source)
        for begin in range(0, len(data), self.chunk):
            target.receive_data(data[begin : begin + self.chunk], self.now)
        return bool(data)

    def associate(self) -> None:
        self.requestor.send(AAssociateRequest(s.REQUEST), self.now)
        self.requestor.send(TransportConnected(), self.now)
        self.carry()
        (indication,) = s.drain(self.acceptor)
        assert indication == AAssociateIndication(s.REQUEST)
        self.acceptor.send(AAssociateAccept(s.ACCEPTANCE), self.now)
        self.carry()
        assert s.drain(self.requestor) == [AAssociateConfirmation(s.ACCEPTANCE)]


@pytest.fixture(params=[1, 7, 1 << 20], ids=lambda chunk: f"chunk{chunk}")
def pair(request):
    result = Pair(request.param)
    result.associate()
    return result


def read(association):
    """The primitives that wait; the pieces of a PDV joined."""
    found = []
    for primitive in s.drain(association):
        if isinstance(primitive, PDataPart):
            piece = [primitive.context_id, primitive.command, primitive.last, bytes(primitive.data)]
            if found and isinstance(found[-1], list) and found[-1][:3] == [*piece[:2], False]:
                found[-1][2:] = [piece[2], found[-1][3] + piece[3]]
            else:
                found.append(piece)
        else:
            found.append(primitive)
    return found


class TestTwoJoined:
    def test_associate(self, pair):
        for association in (pair.requestor, pair.acceptor):
            assert association.state is State.Sta6
            assert association.deadline is None
            assert association.closing is Closing.NO
            assert association.request == s.REQUEST
            assert association.acceptance == s.ACCEPTANCE
            assert association.rejection is association.error is None
            assert association.peer_max_length == s.MAX_PDU
        assert pair.requestor.accepted_contexts == {
            1: AcceptedContext(1, s.VERIFICATION, s.IMPLICIT, True, False),
            3: AcceptedContext(3, s.CT, s.EXPLICIT, True, False),
        }
        assert pair.acceptor.accepted_contexts[3] == AcceptedContext(
            3, s.CT, s.EXPLICIT, False, True
        )

    def test_data_both_ways(self, pair):
        pair.requestor.send_pdata(DATA, pair.now)
        pair.acceptor.send_pdata([DATA, DATA], pair.now)
        for data in pair.requestor.bytes_to_send():
            pair.acceptor.receive_data(data, pair.now)
        for data in pair.acceptor.bytes_to_send():
            pair.requestor.receive_data(data, pair.now)
        once = [[1, True, True, b"command"], [1, False, True, b"data"]]
        assert read(pair.acceptor) == once
        assert read(pair.requestor) == once * 2

    @pytest.mark.parametrize("by", ["requestor", "acceptor"])
    def test_release(self, pair, by):
        asks = getattr(pair, by)
        agrees = pair.acceptor if by == "requestor" else pair.requestor
        asks.send(AReleaseRequest(), pair.now)
        pair.carry()
        assert s.drain(agrees) == [AReleaseIndication()]
        agrees.send(AReleaseResponse(), pair.now)
        assert agrees.closing is Closing.SHUTDOWN
        pair.carry()
        assert s.drain(asks) == [AReleaseConfirmation()]
        assert (asks.state, asks.closing) == (State.Sta1, Closing.CLOSE)
        agrees.receive_eof(pair.now)
        assert (agrees.state, agrees.closing) == (State.Sta1, Closing.CLOSE)
        assert agrees.deadline is None

    def test_release_collision(self, pair):
        requestor, acceptor = pair.requestor, pair.acceptor
        requestor.send(AReleaseRequest(), pair.now)
        acceptor.send(AReleaseRequest(), pair.now)
        pair.carry()
        assert s.drain(requestor) == s.drain(acceptor) == [AReleaseIndication()]
        assert (requestor.state, acceptor.state) == (State.Sta9, State.Sta10)
        requestor.send(AReleaseResponse(), pair.now)
        assert requestor.state is State.Sta11
        pair.carry()
        assert s.drain(acceptor) == [AReleaseConfirmation()]
        assert acceptor.state is State.Sta12
        acceptor.send(AReleaseResponse(), pair.now)
        assert acceptor.state is State.Sta13
        pair.carry()
        assert s.drain(requestor) == [AReleaseConfirmation()]
        assert (requestor.state, requestor.closing) == (State.Sta1, Closing.CLOSE)

    def test_responses_after_the_release_request(self, pair):
        pair.requestor.send(AReleaseRequest(), pair.now)
        pair.carry()
        assert s.drain(pair.acceptor) == [AReleaseIndication()]
        pair.acceptor.send_pdata(DATA, pair.now)
        pair.acceptor.send(AReleaseResponse(), pair.now)
        for data in pair.acceptor.bytes_to_send():
            pair.requestor.receive_data(data, pair.now)
        assert read(pair.requestor) == [
            [1, True, True, b"command"],
            [1, False, True, b"data"],
            AReleaseConfirmation(),
        ]

    @pytest.mark.parametrize("source", [0, 2])
    def test_abort(self, pair, source):
        pair.requestor.send(AAbortRequest(source, 2 if source else 0), pair.now)
        assert (pair.requestor.state, pair.requestor.closing) == (State.Sta13, Closing.SHUTDOWN)
        pair.carry()
        assert s.drain(pair.acceptor) == [
            APAbortIndication(2, Origin.PEER, "unexpected PDU")
            if source
            else AAbortIndication(0, 0)
        ]
        assert (pair.acceptor.state, pair.acceptor.closing) == (State.Sta1, Closing.CLOSE)

    def test_aborts_that_cross(self, pair):
        pair.requestor.send(AAbortRequest(), pair.now)
        pair.acceptor.send(AAbortRequest(), pair.now)
        pair.carry()
        assert pair.requestor.state is pair.acceptor.state is State.Sta1
        assert s.drain(pair.requestor) == s.drain(pair.acceptor) == []

    def test_reject(self):
        pair = Pair()
        pair.requestor.send(AAssociateRequest(s.REQUEST), 0.0)
        pair.requestor.send(TransportConnected(), 0.0)
        pair.carry()
        pair.acceptor.send(AAssociateReject(AAssociateRJ(2, 3, 1)), 0.0)
        pair.carry()
        (confirmation,) = s.drain(pair.requestor)
        assert confirmation.rejected == AAssociateRJ(2, 3, 1) == pair.requestor.rejection
        assert confirmation.accepted is None
        assert (pair.requestor.state, pair.requestor.closing) == (State.Sta1, Closing.CLOSE)
        assert (pair.acceptor.state, pair.acceptor.closing) == (State.Sta13, Closing.SHUTDOWN)


SESSION = b"".join(
    [
        s.REQUEST.encode(),
        DATA * 3,
        s.p_data(s.pdv(3, 1, b"x" * 1000), s.pdv(3, 3)),
        s.RELEASE_RQ,
    ]
)


def live(stream, sizes):
    """Return the result of a stream and its end, for an acceptor that accepts and releases."""
    association = s.acceptor()
    association.trace = Trace.TRANSITIONS
    found, position, sizes = [], 0, iter(sizes)
    while position < len(stream):
        size = next(sizes, 1)
        association.receive_data(stream[position : position + size], 1.0)
        position += size
        found += read(association)
        if association.state is State.Sta3:
            association.send(AAssociateAccept(s.ACCEPTANCE), 1.0)
        if association.state is State.Sta8:
            association.send(AReleaseResponse(), 1.0)
    association.receive_eof(2.0)
    return join(found + read(association)), association.take_trace(), s.sent(association)


def join(found):
    """The pieces of a PDV that came in several reads, as one."""
    result = []
    for unit in found:
        if isinstance(unit, list) and result and isinstance(result[-1], list):
            before = result[-1]
            if before[:3] == [*unit[:2], False]:
                before[2:] = [unit[2], before[3] + unit[3]]
                continue
        result.append(unit)
    return result


RQ_SIZE = len(s.REQUEST.encode())


@given(st.lists(st.integers(1, 300), max_size=60))
def test_any_chunking_gives_the_same_session(sizes):
    # The acceptor's user answers the request before it is sent more.
    assert live(SESSION, [RQ_SIZE, *sizes]) == live(SESSION, [RQ_SIZE, len(SESSION)])


@given(st.integers(RQ_SIZE, len(SESSION) - 1), st.integers(0, 7), st.lists(st.integers(1, 300)))
def test_any_flip_in_any_chunking_gives_the_same_session(position, bit, sizes):
    stream = bytearray(SESSION)
    stream[position] ^= 1 << bit
    # Reads end where the user acts, so that both runs see its actions at the same place.
    whole = live(bytes(stream), [RQ_SIZE, len(stream) - RQ_SIZE - 10, 10])
    assert live(bytes(stream), [RQ_SIZE, *sizes_to(sizes, len(stream) - RQ_SIZE - 10), 10]) == whole


def sizes_to(sizes, total):
    for size in sizes:
        if size >= total:
            break
        yield size
        total -= size
    yield total


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=40))
def test_no_bytes_raise(data, sizes):
    for association in (s.acceptor(), s.connected(), s.answered()):
        position = 0
        for size in [*sizes, len(data)]:
            association.receive_data(data[position : position + size], 1.0)
            position += size
        association.receive_eof(2.0)
        assert (association.state, association.closing) == (State.Sta1, Closing.CLOSE)


class TestArtim:
    def test_it_covers_the_whole_request(self):
        association = s.acceptor(artim_timeout=30.0)
        for now, byte in enumerate(s.GOOD_RQ):
            association.receive_data(bytes([byte]), min(now * 5.0, 29.0))
            if now * 5.0 >= 29.0:
                break
        assert association.deadline == 30.0
        association.handle_deadline(29.9)
        assert association.state is State.Sta2
        association.handle_deadline(30.0)
        assert (association.state, association.closing) == (State.Sta1, Closing.CLOSE)
        assert association.deadline is None
        assert s.drain(association) == []
        assert s.sent(association) == b""

    def test_it_stops_at_the_request(self):
        association = s.acceptor()
        association.receive_data(s.GOOD_RQ, 1.0)
        assert association.deadline is None

    @pytest.mark.parametrize(
        "end",
        [AAbortRequest(), AAssociateReject(AAssociateRJ(1, 1, 1))],
    )
    def test_a_peer_that_does_not_close(self, end):
        association = s.acceptor(artim_timeout=10.0)
        association.receive_data(s.GOOD_RQ, 1.0)
        association.send(end, 2.0)
        assert (association.deadline, association.closing) == (12.0, Closing.SHUTDOWN)
        association.receive_data(bytes(100) + s.GOOD_RQ, 3.0)
        association.handle_deadline(12.0)
        assert (association.state, association.closing) == (State.Sta1, Closing.CLOSE)

    def test_a_deadline_in_time_does_nothing(self):
        association = s.answered()
        association.handle_deadline(1e9)
        assert association.state is State.Sta6


class TestWhatComesTooLateOrOutOfPlace:
    def test_an_abort_in_mid_pdu_ends_the_parts(self):
        association = s.answered()
        association.receive_data(DATA[:16], 1.0)
        assert len(s.drain(association)) == 1
        association.send(AAbortRequest(), 1.0)
        association.receive_data(DATA[16:] + DATA, 1.0)
        assert s.drain(association) == []

    def test_a_release_request_in_mid_pdu_does_not(self):
        association = s.confirmed()
        s.drain(association)
        association.receive_data(DATA[:16], 1.0)
        association.send(AReleaseRequest(), 1.0)
        association.receive_data(DATA[16:], 1.0)
        assert read(association) == [[1, True, True, b"command"], [1, False, True, b"data"]]

    def test_nothing_is_read_after_the_end(self):
        association = s.answered()
        s.drain(association)
        association.receive_data(s.ABORT_BY_USER + DATA + s.GOOD_RQ, 1.0)
        association.receive_data(DATA, 1.0)
        association.receive_eof(1.0)
        association.receive_eof(1.0)
        assert s.drain(association) == [AAbortIndication(0, 0)]

    def test_after_two_bad_pdus_a_flood_is_not_answered(self):
        association = s.answered()
        s.sent(association)
        association.receive_data(s.UNKNOWN * 10_000, 1.0)
        assert s.sent(association) == s.provider_abort(1) * 2
        assert association.error.reason == 1

    def test_an_abort_is_understood_after_one_bad_pdu(self):
        association = s.answered()
        association.receive_data(s.UNKNOWN + s.ABORT_BY_USER, 1.0)
        assert (association.state, association.closing) == (State.Sta1, Closing.CLOSE)

    def test_the_error_says_what_came_out_of_place(self):
        association = s.answered()
        s.drain(association)
        association.receive_data(s.RELEASE_RP, 1.0)
        assert s.drain(association) == [APAbortIndication(2, Origin.LOCAL, "A-RELEASE-RP in Sta6")]
        assert str(association.error) == "A-RELEASE-RP in Sta6"

    def test_the_connection_is_lost_in_mid_pdu(self):
        association = s.answered()
        s.drain(association)
        association.receive_data(DATA[:10], 1.0)
        association.receive_eof(1.0)
        (indication,) = s.drain(association)
        assert (indication.origin, indication.reason) == (Origin.TRANSPORT, 0)

    def test_there_was_no_connection(self):
        association = s.requestor()
        association.send(AAssociateRequest(s.REQUEST), 0.0)
        association.receive_eof(1.0)
        (indication,) = s.drain(association)
        assert indication.origin is Origin.TRANSPORT
        assert association.closing is Closing.CLOSE


class TestLocalErrors:
    def test_data_before_there_is_an_association(self):
        with pytest.raises(LocalProtocolError, match="Evt9 has no action in Sta2"):
            s.acceptor().send_pdata(DATA, 1.0)

    def test_what_cannot_be_encoded_changes_nothing(self):
        association = s.requestor()
        request = replace(s.REQUEST, called_ae_title="X" * 17)
        association.send(AAssociateRequest(request), 0.0)
        with pytest.raises(LocalProtocolError):
            association.send(TransportConnected(), 0.0)
        assert association.state is State.Sta4
        assert association.bytes_to_send() == []


class TestMaximumLength:
    def test_what_was_announced_counts(self):
        association = s.acceptor(max_pdu=100)
        association.receive_data(s.GOOD_RQ, 1.0)
        acceptance = replace(s.ACCEPTANCE, user_information=UserInformation(0))
        association.send(AAssociateAccept(acceptance), 1.0)
        s.drain(association)
        association.receive_data(s.p_data(s.pdv(1, 2, bytes(100_000))), 1.0)
        assert len(s.drain(association)) == 1

    @pytest.mark.parametrize("side", list(Side))
    def test_one_byte_too_many(self, side):
        association = s.established(side)
        s.drain(association)
        association.receive_data(s.p_data(s.pdv(1, 0, bytes(s.MAX_PDU - 6))), 1.0)
        assert read(association) == [[1, False, False, bytes(s.MAX_PDU - 6)]]
        association.receive_data(s.p_data(s.pdv(1, 0, bytes(s.MAX_PDU - 5)))[:6], 1.0)
        (indication,) = s.drain(association)
        assert (indication.reason, indication.origin) == (6, Origin.LOCAL)


class TestTrace:
    def test_nothing_unless_asked_for(self):
        association = s.answered()
        association.receive_data(DATA, 1.0)
        assert association.trace is Trace.NONE
        assert association.take_trace() == []

    @pytest.mark.parametrize("size", [1, 5, 1000])
    def test_pdus_both_ways(self, size):
        association = s.acceptor()
        association.trace = Trace.PDUS
        for begin in range(0, len(s.GOOD_RQ), size):
            association.receive_data(s.GOOD_RQ[begin : begin + size], 1.0)
        association.send(AAssociateAccept(s.ACCEPTANCE), 1.0)
        for begin in range(0, len(DATA), size):
            association.receive_data(DATA[begin : begin + size], 1.0)
        association.send_pdata([DATA, DATA], 1.0)
        association.receive_data(s.UNKNOWN, 1.0)
        acceptance = s.ACCEPTANCE.encode()
        assert association.take_trace() == [
            PduTraced(False, 1, s.GOOD_RQ, len(s.GOOD_RQ)),
            PduTraced(True, 2, acceptance, len(acceptance)),
            PduTraced(False, 4, DATA, len(DATA)),
            PduTraced(True, 4, DATA, len(DATA)),
            PduTraced(True, 4, DATA, len(DATA)),
            PduTraced(False, 8, s.UNKNOWN[:6], 10),
            PduTraced(True, 7, s.provider_abort(1), 10),
        ]

    def test_data_out_of_place(self):
        association = s.connected()
        s.emptied(association).trace = Trace.PDUS
        association.receive_data(DATA, 1.0)
        assert association.take_trace() == [
            PduTraced(False, 4, DATA[:6], len(DATA)),
            PduTraced(True, 7, s.provider_abort(2), 10),
        ]

    def test_long_pdus_are_cut(self):
        association = s.answered()
        association.trace = Trace.PDUS
        pdu = PDataTF((PDV(1, False, True, bytes(100_000)),)).encode()
        association.send_pdata(pdu, 1.0)
        (record,) = association.take_trace()
        assert (record.data, record.length) == (pdu[: 64 * 1024], len(pdu))

    def test_transitions(self):
        association = s.acceptor()
        association.trace = Trace.TRANSITIONS
        association.receive_data(s.GOOD_RQ, 1.0)
        association.send(AAssociateAccept(s.ACCEPTANCE), 1.0)
        association.receive_data(DATA, 1.0)
        association.send_pdata(DATA, 1.0)
        names = [
            (str(t.current_state), str(t.fsm_event), str(t.action), str(t.next_state))
            for t in association.take_trace()
            if isinstance(t, Transition)
        ]
        assert names == [
            ("Sta2", "Evt6", "AE-6", "Sta3"),
            ("Sta3", "Evt7", "AE-7", "Sta6"),
            ("Sta6", "Evt10", "DT-2", "Sta6"),
            ("Sta6", "Evt9", "DT-1", "Sta6"),
        ]


PDVS = st.builds(
    lambda context_id, control, data, error: (
        (len(data) + 2 + error).to_bytes(4, "big") + bytes((context_id, control)) + data
    ),
    st.sampled_from([1, 3, 3, 3, 5]),
    st.integers(0, 3),
    st.binary(max_size=20),
    st.sampled_from([0, 0, 0, 0, 0, 1, -1]),
)
DATA_PDUS = st.builds(
    lambda pdvs, rest: s.pdu(4, b"".join(pdvs) + rest),
    st.lists(PDVS, max_size=3),
    st.sampled_from([b"", b"", b"", b"?", b"trailing"]),
)
STREAMS = st.lists(
    st.one_of(
        DATA_PDUS,
        DATA_PDUS,
        st.sampled_from([s.pdu(5, bytes(4)), s.pdu(6, bytes(4)), s.pdu(9, b"")]),
    ),
    max_size=6,
).map(b"".join)


@given(STREAMS, st.lists(st.integers(1, 40), max_size=20), st.sampled_from(list(Side)))
def test_the_short_way_of_p_data_gives_what_the_general_one_does(stream, sizes, side):
    """`take_part` needs whole headers: byte by byte, or traced, everything goes the long way."""

    def outcome(pieces, trace=Trace.NONE):
        association = s.established(side)
        association.trace = trace
        found = []
        for piece in pieces:
            association.receive_data(piece, 1.0)
            found += read(association)
        return join(found), s.sent(association), association.state, association.closing

    general = outcome([stream[n : n + 1] for n in range(len(stream))])
    assert outcome([stream]) == general
    assert outcome([bytearray(stream)]) == general
    assert outcome([stream], Trace.PDUS) == general
    assert outcome(pieces_of(stream, sizes)) == general
    assert outcome(bytearray(piece) for piece in pieces_of(stream, sizes)) == general


def test_fragments_of_one_data_set_in_one_read_become_one_part():
    """Where the read can be written to; the first of another message does not belong to them."""
    first, *others = [s.p_data(s.pdv(3, control, data)) for control, data in FRAGMENTS]
    association = s.established(Side.ACCEPTOR)
    association.receive_data(bytearray(b"".join([first, *others])), 1.0)
    found = read(association)
    assert [(unit[2], unit[3]) for unit in found] == [
        (True, b"command"),
        (True, b"onetwothree"),
        (True, b"next"),
        (False, b"more"),
    ]


FRAGMENTS = [(3, b"command"), (0, b"one"), (0, b"two"), (2, b"three"), (3, b"next"), (0, b"more")]


def pieces_of(stream, sizes):
    """The stream in pieces of these sizes, and the rest."""
    pieces = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    return [*pieces, stream]

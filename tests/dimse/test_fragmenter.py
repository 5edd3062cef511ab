from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dimse.assembler import Assembler, MessageEnded
from gateway.dimse.fragmenter import CHUNK, Fragmenter, fragment, pieces
from gateway.dimse.message import CEchoRQ, CStoreRQ

from .wire import pdvs, receive

STORE = CStoreRQ(1, "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4").encode(True)
ECHO = CEchoRQ(1).encode()
LENGTHS = [0, 1, 2, 3, 7, 8, 9, 10, 11, 64, 101, 129, 130, 131, 16382, 0xFFFFFFFF]


def check(pdus: list[bytes], data: bytes | None, max_length: int) -> None:
    limit = max(max_length, 8) if max_length else 1 << 32
    assert all(len(pdu) - 6 <= limit for pdu in pdus)
    fragments = [pdv for pdu in pdus for pdv in pdvs(pdu)]
    assert all(len(fragment) % 2 == 0 for _, _, fragment in fragments[:-1])
    assert all(fragment for _, _, fragment in fragments[:-1])
    assert {context_id for context_id, _, _ in fragments} == {3}
    events, received = receive(Assembler(), pdus)
    assert received == (data or b"")
    assert events[-1] == MessageEnded(3)
    assert len(events) == 2


@pytest.mark.parametrize("max_length", LENGTHS)
@pytest.mark.parametrize("size", [None, 0, 2, 3, 100, 1000])
def test_any_maximum_length(max_length, size):
    data = None if size is None else bytes(i % 251 for i in range(size))
    check(
        list(fragment(3, ECHO if data is None else STORE, data, max_length)),
        data,
        max_length,
    )


@given(
    st.lists(st.binary(max_size=40), max_size=8),
    st.integers(0, 300),
    st.sampled_from([bytes, bytearray, memoryview]),
)
def test_any_stream(pieces, max_length, kind):
    data = b"".join(pieces)
    streamed = list(fragment(3, STORE, (kind(piece) for piece in pieces), max_length))
    check(streamed, data, max_length)
    assert streamed == list(fragment(3, STORE, data, max_length))


def test_a_command_set_and_a_small_data_set_are_one_pdu():
    (pdu,) = fragment(3, STORE, b"ab" * 50, 16384)
    assert pdvs(pdu) == [(3, 3, STORE), (3, 2, b"ab" * 50)]
    (pdu,) = fragment(3, ECHO, None, 16384)
    assert pdvs(pdu) == [(3, 3, ECHO)]


def test_pdus_are_filled_to_the_even_byte():
    limit = 1001
    *full, last = fragment(3, STORE, bytes(10_000), limit)
    assert {len(pdu) - 6 for pdu in full} == {1000}
    assert len(last) - 6 <= 1000


@pytest.mark.parametrize("pdus", [1, 2, 3])
def test_a_data_set_that_ends_with_its_pdu_has_no_empty_fragment(pdus):
    room = 1000 - 6 - (len(STORE) + 6)
    data = bytes(room + 994 * (pdus - 1))
    sent = list(fragment(3, STORE, [data, b"", b""], 1000))
    assert len(sent) == pdus
    check(sent, data, 1000)


def test_no_limit_and_huge_limits_give_chunks():
    for max_length in (0, 0xFFFFFFFF):
        sent = list(fragment(3, STORE, bytes(3 * CHUNK), max_length))
        assert max(map(len, sent)) == CHUNK + 6
        assert len(sent) == 4


def test_an_empty_data_set_is_one_empty_last_fragment():
    (pdu,) = fragment(3, STORE, [], 16384)
    assert pdvs(pdu) == [(3, 3, STORE), (3, 2, b"")]


def test_a_data_set_of_odd_length_is_sent_as_it_is():
    sent = list(fragment(3, STORE, bytes(1001), 400))
    check(sent, bytes(1001), 400)


def test_memoryviews_of_other_formats_count_bytes():
    from array import array

    view = memoryview(array("I", range(10)))
    check(list(fragment(3, STORE, view, 64)), view.tobytes(), 64)


def test_pdus_leave_as_soon_as_they_are_full():
    pulled = []

    def stream():
        for index in range(10):
            pulled.append(index)
            yield bytes(500)

    pdus = fragment(3, STORE, stream(), 1000)
    next(pdus)
    assert len(pulled) <= 3


def test_pushed_data():
    fragmenter = Fragmenter(3, STORE, 400)
    sent: list[bytes] = []
    for index in range(7):
        sent += fragmenter.feed(bytes([index]) * 333)
    sent += fragmenter.finish()
    check(sent, b"".join(bytes([index]) * 333 for index in range(7)), 400)


def test_each_max_length_is_obeyed_by_a_command_set_alone():
    for max_length in range(8, 2 * len(ECHO)):
        check(list(fragment(3, ECHO, None, max_length)), None, max_length)


@pytest.mark.parametrize("max_length", LENGTHS)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 100, 101, 1000, 40_000])
def test_pieces_are_the_same_bytes(max_length, size):
    data = bytes(i % 251 for i in range(size))
    whole = b"".join(fragment(3, STORE, data, max_length))
    assert b"".join(pieces(3, STORE, data, max_length)) == whole

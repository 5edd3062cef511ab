"""The byte stream cut into PDUs: any chunking gives the same units, and nothing is collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RemoteProtocolError
from gateway.ul.framing import EXCERPT, Framer, Mark
from gateway.ul.primitives import PDataPart
from tests.ul import support as s

if TYPE_CHECKING:
    import random

CONTEXTS = (1, 3)


def framer(max_pdu=s.MAX_PDU):
    result = Framer(max_pdu)
    result.contexts = CONTEXTS
    return result


def units(stream, sizes, framer_=None):
    """Units with the pieces of each PDV joined: what no chunking may change."""
    framer_ = framer_ or framer()
    found, position, sizes = [], 0, iter(sizes)
    while position < len(stream):
        size = next(sizes, len(stream))
        found += map(readable, framer_.receive(stream[position : position + size]))
        position += size
    return joined(found)


def readable(unit):
    if isinstance(unit, PDataPart):
        return ["part", unit.context_id, unit.command, unit.last, bytes(unit.data)]
    if isinstance(unit, RemoteProtocolError):
        return ["error", str(unit), unit.reason]
    return unit


def joined(found):
    """Neighbouring pieces of one PDV as one; only the last piece of a PDV may say last."""
    result = []
    for unit in found:
        before = result[-1] if result else None
        if is_part(unit) and is_part(before) and before[:4] == [*unit[:3], False]:
            before[3:] = [unit[3], before[4] + unit[4]]
        else:
            result.append(unit)
    return result


def is_part(unit):
    return isinstance(unit, list) and unit[0] == "part"


GOOD = [
    s.p_data(s.pdv(1, 3, b"command"), s.pdv(1, 2, b"data set")),
    s.p_data(s.pdv(3, 1, b"a" * 100)),
    s.p_data(s.pdv(3, 0, b"b" * 301)),
    s.p_data(s.pdv(3, 2)),
    s.p_data(s.pdv(1, 0), s.pdv(1, 2, b"odd")),
    s.GOOD_RQ,
    s.ACCEPTANCE.encode(),
    s.REJECT,
    s.RELEASE_RQ,
    s.RELEASE_RP,
    s.ABORT_BY_USER,
]
BAD = [
    s.p_data(s.pdv(1, 3, b"good"), b"\0\0\0\1\1\1"),
    s.p_data(s.pdv(1, 3, b"good"), b"\0\0\0\xff\1\1beyond"),
    s.p_data(s.pdv(1, 3, b"good"), b"123"),
    s.p_data(s.pdv(5, 3, b"not accepted")),
    s.p_data(),
    s.p_data(b"12345"),
    s.p_data(s.pdv(1, 0, bytes(s.MAX_PDU))),
    s.UNKNOWN,
    s.pdu(5, bytes(5)),
    s.pdu(7, b""),
    s.pdu(1, b""),
]


@pytest.mark.parametrize("pdu", GOOD + BAD)
def test_byte_by_byte(pdu):
    stream = pdu + s.RELEASE_RQ
    whole = units(stream, [])
    assert units(stream, [1] * len(stream)) == whole
    assert whole[-1] == s.RELEASE_RQ


@given(
    st.lists(st.sampled_from(GOOD + BAD), max_size=8).map(b"".join),
    st.lists(st.integers(1, 40) | st.integers(1, 600), max_size=60),
)
def test_any_chunking_gives_the_same(stream, sizes):
    assert units(stream, sizes) == units(stream, [])


@given(st.binary(max_size=300), st.lists(st.integers(1, 20), max_size=60))
def test_any_bytes_in_any_chunking(stream, sizes):
    assert units(stream, sizes) == units(stream, [])


@given(st.randoms(use_true_random=False))
def test_a_flip_in_any_chunking(source: random.Random):
    stream = bytearray(b"".join(source.sample(GOOD, 4)))
    stream[source.randrange(len(stream))] ^= 1 << source.randrange(8)
    sizes = [source.randint(1, 50) for _ in range(40)]
    assert units(bytes(stream), sizes) == units(bytes(stream), [])


def test_pieces_are_views_of_what_was_read():
    chunk = bytearray(s.p_data(s.pdv(1, 3, b"command")))
    _, part = framer().receive(chunk)
    assert part == PDataPart(1, True, True, memoryview(b"command"))
    assert part.data.obj is chunk


def test_a_piece_is_handed_on_as_it_arrives():
    stream = s.p_data(s.pdv(1, 2, b"abcdef"))
    f = framer()
    assert [readable(u) for u in f.receive(stream[:14])] == [
        Mark.DATA_BEGINS,
        ["part", 1, False, False, b"ab"],
    ]
    assert [readable(u) for u in f.receive(stream[14:])] == [["part", 1, False, True, b"cdef"]]


def test_last_is_said_once_and_with_nothing_after_it():
    stream = s.p_data(s.pdv(1, 2, b"abcdef"))
    f = framer()
    parts = [u for b in stream for u in f.receive(bytes([b])) if isinstance(u, PDataPart)]
    assert [part.last for part in parts] == [False] * 5 + [True]


def test_an_empty_last_fragment_is_a_part():
    _, part = framer().receive(s.p_data(s.pdv(1, 2)))
    assert readable(part) == ["part", 1, False, True, b""]


def test_nothing_is_kept_of_a_long_pdu():
    f = framer(0)
    assert list(f.receive(b"\4\0\xff\xff\xff\xff" + b"\xff\xff\xff\xfb\1\0")) == [Mark.DATA_BEGINS]
    for _ in range(100):
        (part,) = f.receive(bytes(1000))
        assert len(part.data) == 1000
        assert not f._body
        assert not f._head


@pytest.mark.parametrize(
    "header",
    ["01 00 00100001", "02 00 ffffffff", "03 00 00000005", "04 00 00001001", "07 00 7fffffff"],
)
def test_a_length_bomb_is_decided_on_the_header(header):
    f = framer()
    (error,) = f.receive(bytes.fromhex(header))
    assert (error.source, error.reason) == (2, 6)
    assert len(f._body) + len(f._head) == 0


def test_what_is_skipped_is_not_kept():
    f = framer()
    list(f.receive(bytes.fromhex("01 00 00100001")))
    for _ in range(11):
        assert list(f.receive(bytes(0x100001 // 11))) == []
    assert len(f._body) + len(f._head) == 0


def test_an_association_pdu_takes_no_more_memory_than_has_arrived():
    f = framer()
    assert list(f.receive(bytes.fromhex("01 00 00100000") + bytes(10))) == []
    assert len(f._body) == 16


def test_skip_drops_the_rest_of_the_pdu_only():
    f = framer()
    stream = s.p_data(s.pdv(1, 1, b"abc"), s.pdv(1, 3, b"def")) + s.RELEASE_RQ
    found = []
    for unit in f.receive(stream):
        found.append(readable(unit))
        f.skip()
    assert found == [Mark.DATA_BEGINS, s.RELEASE_RQ]


@pytest.mark.parametrize("cut", range(1, 30))
def test_skip_at_any_place(cut):
    f = framer()
    stream = s.p_data(s.pdv(1, 1, b"abc"), s.pdv(1, 3, b"def")) + s.RELEASE_RQ
    list(f.receive(stream[:cut]))
    f.skip()
    rest = [readable(unit) for unit in f.receive(stream[cut:])]
    assert rest[-1:] == [s.RELEASE_RQ]
    if 6 <= cut < 24:
        assert rest == [s.RELEASE_RQ]


def test_stop_drops_everything():
    f = framer()
    for _ in f.receive(s.RELEASE_RQ + s.GOOD_RQ):
        f.stop()
    assert list(f.receive(s.GOOD_RQ)) == []


def test_after_trailing_bytes_the_parts_before_them_were_given():
    assert units(BAD[2], []) == [
        Mark.DATA_BEGINS,
        ["part", 1, True, True, b"good"],
        ["error", "P-DATA-TF with 3 trailing bytes", 6],
    ]


@pytest.mark.parametrize("sizes", [[], [1] * 1000, [7] * 100])
def test_the_excerpt_while_tracing(sizes):
    stream = s.p_data(s.pdv(1, 1, b"a" * 50), s.pdv(3, 2, b"b" * 50))
    f, position = framer(), 0
    f.tracing = True
    ends = []
    for size in sizes or [len(stream)]:
        ends += [
            (bytes(f.excerpt), f.length)
            for unit in f.receive(stream[position : position + size])
            if unit is Mark.DATA_ENDS
        ]
        position += size
    assert ends == [(stream, len(stream))]


def test_the_excerpt_is_bounded():
    f = framer(0)
    f.tracing = True
    stream = s.p_data(s.pdv(1, 0, bytes(200_000)))
    for begin in range(0, len(stream), 1000):
        list(f.receive(stream[begin : begin + 1000]))
    assert len(f.excerpt) == EXCERPT
    assert f.length == len(stream)
    f.tracing = False
    list(f.receive(s.RELEASE_RQ))
    assert not f.excerpt

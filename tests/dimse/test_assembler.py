from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dimse.assembler import (
    Assembler,
    DataFragment,
    MessageBegun,
    MessageEnded,
    MessageFailed,
)
from gateway.dimse.command_set import LIMIT
from gateway.dimse.fragmenter import fragment
from gateway.dimse.message import CEchoRQ, CStoreRQ, DataSet
from gateway.errors import RemoteProtocolError
from gateway.ul.primitives import PDataPart

from .samples import IDS, SAMPLES
from .wire import parts, receive

COMMAND, LAST, DATA = 1, 2, 0
STORE = CStoreRQ(1, "1.2", "1.3")
ECHO = CEchoRQ(2).encode()


def feed(assembler: Assembler, *pdvs: tuple[int, int, bytes]) -> list[object]:
    events: list[object] = []
    for pdv in pdvs:
        for part in parts(*pdv):
            events += assembler.receive(part)
    return events


@pytest.mark.parametrize("message", SAMPLES, ids=IDS)
@pytest.mark.parametrize("chunk", [0, 1, 3])
def test_every_message_in_any_chunking(message, chunk):
    has_data_set = message.data_set is not DataSet.NEVER
    data = bytes(range(100)) if has_data_set else None
    encoded = message.encode(has_data_set)
    events, received = receive(Assembler(), list(fragment(5, encoded, data, 64)), chunk)
    assert events == [MessageBegun(5, message, has_data_set, encoded), MessageEnded(5)]
    assert received == (data or b"")


def test_data_is_passed_on_as_it_comes_and_without_a_copy():
    assembler = Assembler()
    feed(assembler, (1, COMMAND | LAST, STORE.encode(True)))
    data = memoryview(b"abc")
    (event,) = assembler.receive(PDataPart(1, False, False, data))
    assert isinstance(event, DataFragment)
    assert event.data is data
    assert assembler.is_open


def test_is_open_from_the_first_fragment_to_the_last():
    assembler = Assembler()
    encoded = STORE.encode(True)
    assert not assembler.is_open
    for pdv, is_open in [
        ((1, COMMAND, encoded[:9]), True),
        ((1, COMMAND | LAST, encoded[9:]), True),
        ((1, DATA, b"x"), True),
        ((1, DATA | LAST, b"y"), False),
    ]:
        feed(assembler, pdv)
        assert assembler.is_open == is_open


def test_odd_and_empty_fragments_are_accepted():
    encoded = STORE.encode(True)
    events = feed(
        Assembler(),
        (1, COMMAND, encoded[:7]),
        (1, COMMAND, b""),
        (1, COMMAND, encoded[7:]),
        (1, COMMAND | LAST, b""),
        (1, DATA, b"abc"),
        (1, DATA, b""),
        (1, DATA | LAST, b""),
    )
    assert events == [
        MessageBegun(1, STORE, True, encoded),
        DataFragment(1, memoryview(b"abc")),
        MessageEnded(1),
    ]


def test_reserved_bits_of_the_message_control_header_do_not_reach_the_assembler():
    assert feed(Assembler(), (1, 0xFC | COMMAND | LAST, ECHO))[1:] == [MessageEnded(1)]


def test_messages_follow_each_other_on_any_context():
    assembler = Assembler()
    for context_id in (1, 3, 255, 1):
        events = feed(assembler, (context_id, COMMAND | LAST, ECHO))
        assert [type(event) for event in events] == [MessageBegun, MessageEnded]
        assert events[0].context_id == context_id


def test_a_failed_request_has_its_data_set_thrown_away_by_the_receiver():
    encoded = STORE.encode(True).replace(b"1.3\0", b"../x")
    assembler = Assembler()
    failed, *rest = feed(
        assembler, (1, COMMAND | LAST, encoded), (1, DATA, b"ab"), (1, DATA | LAST, b"cd")
    )
    assert isinstance(failed, MessageFailed)
    assert (failed.context_id, failed.error.status, failed.has_data_set) == (1, 0x0117, True)
    assert failed.command_set == encoded
    assert [type(event) for event in rest] == [DataFragment, DataFragment, MessageEnded]
    assert len(feed(assembler, (3, COMMAND | LAST, ECHO))) == 2


def test_a_failed_request_without_data_set_ends_at_once():
    encoded = STORE.encode(False)
    failed, ended = feed(Assembler(), (1, COMMAND | LAST, encoded))
    assert isinstance(failed, MessageFailed)
    assert not failed.has_data_set
    assert ended == MessageEnded(1)


BEGUN = (1, COMMAND | LAST, STORE.encode(True))


@pytest.mark.parametrize(
    "pdvs",
    [
        [(1, DATA, b"ab")],
        [(1, DATA | LAST, b"ab")],
        [(1, COMMAND | LAST, ECHO), (1, DATA | LAST, b"ab")],
        [(1, COMMAND, ECHO[:8]), (1, DATA, b"ab")],
        [(1, COMMAND, ECHO[:8]), (3, COMMAND, ECHO[8:])],
        [(1, COMMAND, ECHO[:8]), (3, DATA, b"ab")],
        [BEGUN, (1, COMMAND | LAST, ECHO)],
        [BEGUN, (3, COMMAND | LAST, ECHO)],
        [BEGUN, (3, DATA, b"ab")],
        [BEGUN, (1, DATA, b"ab"), (3, DATA | LAST, b"ab")],
        [(1, COMMAND | LAST, b"")],
        [(1, COMMAND | LAST, b"\0" * 64)],
    ],
    ids=[
        "data-without-command",
        "last-data-without-command",
        "data-after-a-message-without",
        "data-within-command",
        "command-on-another-context",
        "data-on-another-context-within-command",
        "command-within-data",
        "message-within-message",
        "data-on-another-context",
        "last-data-on-another-context",
        "empty-command",
        "zeros",
    ],
)
def test_what_can_only_be_aborted(pdvs):
    assembler = Assembler()
    feed(assembler, *pdvs[:-1])
    with pytest.raises(RemoteProtocolError) as caught:
        feed(assembler, pdvs[-1])
    assert (caught.value.source, caught.value.reason) == (0, 0)


@pytest.mark.parametrize("size", [0, 1, 2, 1024, LIMIT])
def test_command_fragments_without_end_are_aborted(size):
    assembler = Assembler()
    pdv = (1, COMMAND, b"\0" * size)
    for _ in range(LIMIT // (size or 1)):
        assert feed(assembler, pdv) == []
    with pytest.raises(RemoteProtocolError, match="more than 65536 bytes"):
        feed(assembler, pdv)


def test_a_command_set_of_exactly_64_kib_is_decoded():
    padding = LIMIT - len(ECHO) - 8
    command_set = ECHO + b"\0\0\0\x51" + padding.to_bytes(4, "little") + bytes(padding)
    command_set = command_set.replace(b"\0\0\0\x51", b"\0\0\x10\x51")
    begun, _ = feed(Assembler(), (1, COMMAND | LAST, command_set))
    assert begun.message == CEchoRQ(2)


PDVS = st.tuples(
    st.sampled_from([1, 3]),
    st.integers(0, 3),
    st.sampled_from([b"", b"ab", ECHO, ECHO[:9], STORE.encode(True), STORE.encode(False)]),
)


@given(st.lists(PDVS, max_size=12), st.integers(0, 5))
def test_any_fragments_end_in_events_or_one_protocol_error(pdvs, chunk):
    whole, pieces = Assembler(), Assembler()
    for pdv in pdvs:
        outcomes = []
        for assembler, size in ((whole, 0), (pieces, chunk)):
            events: list[object] = []
            try:
                for part in parts(*pdv, chunk=size):
                    events += assembler.receive(part)
            except RemoteProtocolError:
                events.append("abort")
            outcomes.append(
                [type(e).__name__ for e in events if not isinstance(e, DataFragment)]
                if "abort" not in events
                else "abort"
            )
        assert outcomes[0] == outcomes[1]
        if outcomes[0] == "abort":
            return

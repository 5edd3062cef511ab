"""Hostile input, by class: bounded time and memory, one A-ABORT or one rejection."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from gateway.ul.fsm import State
from gateway.ul.items import UserIdentityRQ
from gateway.ul.negotiation import Answers, check_request, negotiate
from gateway.ul.pdu import decode_pdu
from gateway.ul.primitives import AAssociateAccept
from tests.ul import support as s


def cpu_seconds(call):
    begin = time.process_time()
    call()
    return time.process_time() - begin


def request_with(user_items: bytes):
    association = s.acceptor()
    association.receive_data(s.associate_rq(user_items=s.DEFAULT_USER_ITEMS + user_items), 1.0)
    return association


@pytest.mark.parametrize(
    "sub_item",
    [
        pytest.param(s.item(0x5A, b""), id="unknown"),
        pytest.param(s.item(0x55, b""), id="version name"),
        pytest.param(s.item(0x54, b"\0\0\1\1"), id="role"),
        pytest.param(s.item(0x56, b"\0\0"), id="extended"),
        pytest.param(s.item(0x59, b"\0\0"), id="identity"),
    ],
)
def test_16_000_tiny_sub_items(sub_item):
    count = 65_000 // len(sub_item)
    association = request_with(sub_item * count)
    assert association.state is State.Sta3
    answer = negotiate(association.request, s.POLICY, Answers())
    association.send(AAssociateAccept(answer), 1.0)
    assert len(s.sent(association)) < 1000


def test_more_items_than_any_association_needs_are_refused():
    wide = s.item(0x20, b"\1\0\0\0" + s.item(0x30, b"1.2") + s.item(0x40, b"") * 16_000)
    association = s.acceptor()
    association.receive_data(s.associate_rq(contexts=wide * 4), 1.0)
    assert association.state is State.Sta13
    assert s.sent(association) == s.ABORT_BY_USER


def test_uids_of_a_list_count_as_items():
    common = s.item(0x57, b"\0\0\0\0" + (60_000).to_bytes(2, "big") + bytes(60_000))
    assert request_with(common).state is State.Sta3
    twice = s.associate_rq(contexts=s.context(1) + s.item(0x50, common), user_items=common)
    assert "more than 32768 items" in str(s.error_of(lambda: decode_pdu(twice)))


def test_16_000_tiny_sub_items_take_bounded_time():
    data = s.associate_rq(user_items=s.DEFAULT_USER_ITEMS + s.item(0x5A, b"") * 16_000)
    assert cpu_seconds(lambda: s.acceptor().receive_data(data, 1.0)) < 1.0


def test_260_000_tiny_items_take_bounded_time():
    tail = s.item(0x99, b"") * 262_000
    data = s.pdu(1, s.GOOD_RQ[6:] + tail[: 1024 * 1024 - len(s.GOOD_RQ)])
    association = s.acceptor()
    assert cpu_seconds(lambda: association.receive_data(data, 1.0)) < 5.0


def test_a_full_request_byte_by_byte_takes_bounded_time():
    data = s.associate_rq(contexts=s.context(1, s.CT, *[s.JPEG] * 2000))
    association = s.acceptor()

    def feed():
        for position in range(len(data)):
            association.receive_data(data[position : position + 1], 1.0)

    assert cpu_seconds(feed) < 5.0
    assert association.state is State.Sta3


def test_20_000_contexts():
    data = s.associate_rq(contexts=s.context(1, "1", "2") * 20_000)
    association = s.acceptor()
    assert cpu_seconds(lambda: association.receive_data(data, 1.0)) < 5.0
    assert association.rejection is not None


LENGTHS = range(6, len(s.GOOD_RQ) - 1)


@pytest.mark.parametrize("value", [b"\xff\xff", b"\x7f\xff", b"\0\0"])
def test_a_length_bomb_in_every_field(value):
    for position in LENGTHS:
        data = bytearray(s.GOOD_RQ)
        data[position : position + 2] = value
        association = s.acceptor()
        association.receive_data(data, 1.0)
        assert association.state in (State.Sta3, State.Sta13), position


def test_announced_lengths_take_no_memory():
    bombs = [b"\1\0\0\x10\0\0", b"\1\0\xff\xff\xff\xff", b"\4\0\xff\xff\xff\xff"]
    tracemalloc.start()
    associations = []
    for bomb in bombs * 100:
        association = s.acceptor()
        association.receive_data(bomb, 1.0)
        associations.append(association)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300 * 10_000


def test_a_long_pdv_takes_no_memory():
    association = s.answered()
    association.receive_data(b"\4\0" + s.MAX_PDU.to_bytes(4, "big"), 1.0)
    association.receive_data((s.MAX_PDU - 4).to_bytes(4, "big") + b"\1\0", 1.0)
    chunk = memoryview(bytes(64))
    for _ in range(60):
        association.receive_data(chunk, 1.0)
        (part,) = s.drain(association)
        assert part.data.obj is chunk.obj


def test_a_user_identity_of_64_kib():
    primary = b"u" * 65_000
    association = request_with(UserIdentityRQ(1, True, primary).encode())
    assert association.request.user_information.user_identity.primary_field == primary
    answer = negotiate(association.request, s.POLICY, Answers(user_identity=(True, None)))
    assert len(answer.encode()) < 500


NASTY = [
    "..",
    "../x",
    "/etc/passwd",
    "a/b",
    "nul\0nul",
    "1" * 65,
    "new\nline",
    "\x1b[2J",
    "$(id)",
    "%s%n",
    "\xff\xfe",
]


@pytest.mark.parametrize("text", NASTY)
def test_nasty_uids_are_refused_and_do_not_fail(text):
    data = s.associate_rq(
        contexts=s.item(
            0x20,
            b"\1\0\0\0"
            + s.item(0x30, text.encode("latin-1"))
            + s.item(0x40, text.encode("latin-1")),
        )
    )
    answer = negotiate(decode_pdu(data), s.POLICY, Answers())
    assert [context.result for context in answer.presentation_contexts] == [3]
    assert decode_pdu(answer.encode()).presentation_contexts[0].result == 3


@pytest.mark.parametrize("text", NASTY)
def test_nasty_ae_titles_do_not_fail(text):
    title = text.encode("latin-1")[:16].ljust(16)
    request = decode_pdu(s.associate_rq(called=title, calling=title))
    assert check_request(request, s.POLICY) is None
    assert negotiate(request, s.POLICY, Answers()).encode()[10:42] == title * 2


def test_errors_do_not_carry_a_peers_text():
    association = s.acceptor()
    evil = b"\nevil\n"
    association.receive_data(s.associate_rq(contexts=s.item(0x20, b"\1\0\0\0" + evil)), 1.0)
    assert "evil" not in str(association.error)


def test_many_granted_roles_cannot_overflow_the_answer():
    uids = [f"1.2.{n}." + "9" * 50 for n in range(900)]
    roles = b"".join(s.item(0x54, len(u).to_bytes(2, "big") + u.encode() + b"\1\1") for u in uids)
    contexts = b"".join(s.context(2 * n + 1, uids[n], s.JPEG) for n in range(128))
    request = decode_pdu(s.associate_rq(contexts=contexts, user_items=roles))
    policy = s.Policy(
        "SERVER", {}, max_pdu=s.MAX_PDU, unrestricted={s.JPEG}, implementation_class_uid="1" * 64
    )
    answer = negotiate(request, policy, Answers())
    assert len(answer.user_information.roles) == 128
    assert decode_pdu(answer.encode()) == answer

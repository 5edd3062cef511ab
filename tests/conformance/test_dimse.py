"""C-ECHO and C-STORE as PS3.7 has them, and what is wrong with them, on the wire."""

from __future__ import annotations

import struct

import pytest

from tests.accountant import read_archive
from tests.conformance.table import expect_abort, open_association, parameters
from tests.peers import instances, wire
from tests.peers.elements import uid
from tests.peers.raw import RawPeer, association, echo_ok
from tests.peers.wire import element, uid_value, us

INSTANCE = instances.make()


@pytest.fixture
def peer(gateway_process):
    with open_association(gateway_process.address) as peer:
        yield peer


def stored(gateway, uid: str) -> int:
    return sum(one.uid == uid for one in read_archive(gateway.archive)[0])


def store(peer: RawPeer, command: bytes, data: bytes | None = None):
    peer.send(wire.message(3, command, data))
    return peer.recv_response()


def store_command(uid: str | None, *, drop: int | None = None, **values: bytes) -> bytes:
    """A C-STORE-RQ (ID 1) without element `drop`, or with raw values under `e0110`-like names."""
    elements = {
        0x0002: uid_value(wire.CT),
        0x0100: us(1),
        0x0110: us(1),
        0x0700: us(0),
        0x0800: us(1),
        0x1000: uid_value(uid or INSTANCE.uid),
    }
    elements |= {int(name[1:], 16): value for name, value in values.items()}
    return wire.command_set(*(element(tag, v) for tag, v in elements.items() if tag != drop))


# C-ECHO


@pytest.mark.parametrize("message_id", [0, 1, 0x7FFF, 65535])
def test_echo(peer: RawPeer, message_id: int) -> None:
    response = peer.echo(message_id)
    assert response.command == wire.echo_rsp(message_id)
    assert response.context_id == 1


@pytest.mark.parametrize("group_length", [0, 1, 9999, 0xFFFFFFFF, None])
def test_wrong_or_missing_group_length_is_tolerated(peer: RawPeer, group_length) -> None:
    peer.send(wire.message(1, wire.echo_rq(4, group_length=group_length)))
    assert peer.recv_response().command == wire.echo_rsp(4)


@pytest.mark.parametrize("padding", [b"\0", b" "], ids=["NUL", "space"])
def test_affected_class_is_echoed_byte_for_byte(peer: RawPeer, padding: bytes) -> None:
    raw = wire.VERIFICATION.encode() + padding
    command = wire.echo_rq(1).replace(uid_value(wire.VERIFICATION), raw)
    peer.send(wire.message(1, command))
    assert peer.recv_response().command == wire.echo_rsp(1, uid=raw)


def test_echo_with_a_data_set_is_answered_and_the_association_lives(peer: RawPeer) -> None:
    command = wire.command_set(
        element(0x0002, uid_value(wire.VERIFICATION)),
        element(0x0100, us(0x0030)),
        element(0x0110, us(1)),
        element(0x0800, us(0)),
    )
    peer.send(wire.message(1, command, b"\x08\x00\x05\x00\x02\x00\x00\x00AB"))
    assert peer.recv_response().message_id == 1
    assert peer.echo(2).command == wire.echo_rsp(2)


def test_cancel_of_an_unknown_message_has_no_response(peer: RawPeer) -> None:
    peer.send(wire.message(1, wire.cancel_rq(77)))
    assert peer.echo(2).command == wire.echo_rsp(2)


# C-STORE


@pytest.mark.parametrize("message_id", [0, 65535])
def test_store(peer: RawPeer, gateway_process, message_id: int) -> None:
    instance = instances.make()
    response = peer.store(instance, message_id, context_id=3)
    assert response.command == wire.store_rsp(instance.uid, message_id)
    assert stored(gateway_process, instance.uid) == 1


@pytest.mark.parametrize("kind", [0x0000, 0x0001, 0x0102, 0xFFFE])
def test_any_data_set_type_but_0101_means_a_data_set(peer: RawPeer, kind: int) -> None:
    instance = instances.make()
    response = store(peer, store_command(instance.uid, e0800=us(kind)), instance.data_set)
    assert response.command == wire.store_rsp(instance.uid, 1)


def test_store_without_a_data_set_is_a_failure(peer: RawPeer) -> None:
    uid = instances.make().uid
    response = store(peer, store_command(uid, e0800=us(wire.NO_DATA_SET)))
    assert response.status not in (0x0000, 0xB000, 0xB006, 0xB007)
    assert peer.echo(2).status == 0


@pytest.mark.parametrize("padding", [b"\0", b" "], ids=["NUL", "space"])
def test_affected_instance_is_echoed_byte_for_byte(peer: RawPeer, padding: bytes) -> None:
    instance = instances.make()
    raw = instance.uid.encode() + padding * (len(instance.uid) % 2)
    response = store(peer, store_command(None, e1000=raw), instance.data_set)
    assert (response.status, response.elements[0x1000]) == (0x0000, raw)


FAILURES = {
    "no affected SOP instance UID": (store_command(None, drop=0x1000), {0x0117}),
    "no affected SOP class UID": (store_command(None, drop=0x0002), {0x0212}),
    "class of another context": (store_command(None, e0002=uid_value(wire.MR)), {0x0122}),
    "unknown command field": (store_command(None, e0100=us(0x0F00)), {0x0211}),
    "malformed class UID": (store_command(None, e0002=b"../../x."), {0x0122, 0x0212}),
}
BAD_UIDS = {
    "letters": b"abcd",
    "path upwards": b"../../etc/passwd",
    "absolute path": b"/etc/xx\0",
    "folder": b"1.2/3.4\0",
    "NUL inside": b"1.2\x003.4\0",
    "empty component": b"1..2",
    "leading dot": b".1.2",
    "trailing dot": b"1.2.",
    "66 characters": b"1." * 32 + b"10",
    "newline": b"1.2\n",
    "escape": b"1.2\x1b[0m\0",
    "shell": b"1.$(id)\0",
    "empty": b"",
    "only NULs": bytes(4),
}
FAILURES |= {
    f"instance UID: {name}": (store_command(None, e1000=raw), {0x0117})
    for name, raw in BAD_UIDS.items()
}


@pytest.mark.parametrize(("command", "statuses"), **parameters(FAILURES))
def test_wrong_command_sets_are_answered(
    peer: RawPeer, gateway_process, command: bytes, statuses: set[int]
) -> None:
    response = store(peer, command, INSTANCE.data_set)
    assert response.status in statuses, f"{response.status:04X}"
    sent = wire.parse_command(command)
    assert response.message_id == 1
    assert response.elements[0x0100] == us(int.from_bytes(sent[0x0100], "little") | 0x8000)
    assert response.elements[0x0800] == us(wire.NO_DATA_SET)
    for tag in (0x0002, 0x1000):
        if tag in response.elements:
            assert response.elements[tag] == sent[tag]
    assert peer.echo(2).command == wire.echo_rsp(2)
    assert stored(gateway_process, INSTANCE.uid) == 0


IDLE = {
    "no priority": {"drop": 0x0700},
    "priority 3": {"e0700": us(3)},
    "priority of 4 bytes": {"e0700": bytes(4)},
    "priority of a byte": {"e0700": b"\2"},
    "move originator of 18 characters": {"e1030": b"EIGHTEEN_LETTERS_!"},
    "move originator with NULs": {"e1030": b"STORE\0\0SCU\0\0"},
    "move originator of NULs": {"e1030": bytes(16)},
    "move originator that is no text": {"e1030": b"\\\xff\x1b\n"},
    "originator ID of 4 bytes": {"e1031": bytes((7, 0, 0, 0))},
    "originator ID of a byte": {"e1031": b"\7"},
    "elements of a response": {"e0901": b"\1\2\3", "e0902": b"\xff" * 100, "e1020": b"\1"},
    "elements of other services": {"e0600": b"NOBODY THAT ANYONE KNOWS", "e1005": b"\1\2\3"},
    "length to end": {"e0001": bytes(4)},
    "message ID of 4 bytes": {"e0110": bytes((1, 0, 0, 0))},
}


@pytest.mark.parametrize("odd", **parameters(IDLE))
def test_what_says_nothing_of_the_instance_never_decides(
    peer: RawPeer, gateway_process, odd: dict
) -> None:
    instance = instances.make()
    response = store(peer, store_command(instance.uid, **odd), instance.data_set)
    assert response.command == wire.store_rsp(instance.uid, 1)
    assert stored(gateway_process, instance.uid) == 1


def test_store_on_the_verification_context(peer: RawPeer) -> None:
    on_class = wire.store_rq("1.2.3", sop_class=wire.VERIFICATION)
    peer.send(wire.message(1, on_class, INSTANCE.data_set))
    assert peer.recv_response().status == 0x0211
    peer.send(wire.message(1, wire.store_rq("1.2.3", 2), INSTANCE.data_set))
    assert peer.recv_response().status == 0x0122


def test_echo_on_a_storage_context(peer: RawPeer) -> None:
    peer.send(wire.message(3, wire.echo_rq(1)))
    assert peer.recv_response().status == 0x0122


def _swapped(tag: bytes, value: str) -> bytes:
    """The data set of INSTANCE with another UID of the same length under `tag`."""
    at = INSTANCE.data_set.index(tag + b"UI") + 8
    return INSTANCE.data_set[:at] + value.encode() + INSTANCE.data_set[at + len(value) :]


OTHER = INSTANCE.uid[:-7] + "9999999"
DISAGREEING = {
    "instance": _swapped(b"\x08\x00\x18\x00", OTHER),
    "class": _swapped(b"\x08\x00\x16\x00", wire.MR),
    "empty": b"",
    "not a data set": b"\xff" * 64,
}


@pytest.mark.parametrize("data", **parameters(DISAGREEING))
def test_command_and_data_set_that_disagree(peer: RawPeer, gateway_process, data: bytes) -> None:
    response = store(peer, wire.store_rq(INSTANCE.uid), data)
    assert response.status == 0xA900, f"{response.status:04X}"
    assert response.elements[0x1000] == uid_value(INSTANCE.uid)
    assert stored(gateway_process, INSTANCE.uid) == stored(gateway_process, OTHER) == 0
    assert peer.echo(2).status == 0


def test_a_data_set_that_is_cut_in_its_first_element(peer: RawPeer, gateway_process) -> None:
    for data in (b"\x10\x00\x20\x00LO\x04\x00AB", INSTANCE.data_set[:12]):
        response = store(peer, wire.store_rq(INSTANCE.uid), data)
        assert response.status == 0xC000
        assert response.elements[0x0902].strip() == b"(%04X,%04X) is longer than what came" % (
            struct.unpack("<HH", data[:4])
        )
        assert response.elements[0x0901] == data[:4]
    assert stored(gateway_process, INSTANCE.uid) == 0


def test_data_set_that_does_not_say_what_it_is_is_kept(peer: RawPeer, gateway_process) -> None:
    one = instances.make()
    anonymous = b"\x10\x00\x20\x00LO\x02\x00AB"
    anonymous += uid(0x0020000D, "1.2.3.4") + uid(0x0020000E, "1.2.3.5")
    assert store(peer, wire.store_rq(one.uid), anonymous).status == 0x0000
    assert stored(gateway_process, one.uid) == 1


def test_what_follows_the_end_in_the_same_read_is_not_stored(gateway_process) -> None:
    one, *later = instances.many(4)
    with association(gateway_process.address, wire.context(1), one.context(3)) as peer:
        stray = wire.p_data(wire.pdv(3, 2, b"data without a command"))
        peer.send(stray + wire.message(3, wire.store_rq(one.uid, 1), one.data_set))
        assert peer.recv_pdu()[:1] == b"\x07"
    with association(gateway_process.address, one.context(3)) as peer:
        # By the time that these are stored, it would be, too.
        assert [peer.store(other, context_id=3).status for other in later] == [0, 0, 0]
        peer.release()
    assert stored(gateway_process, one.uid) == 0


def test_file_meta_elements_inside_the_data_set_are_refused(peer: RawPeer, gateway_process) -> None:
    meta = b"\x02\x00\x10\x00UI\x12\x001.2.840.10008.1.2\0\0"
    response = store(peer, wire.store_rq(INSTANCE.uid), meta + INSTANCE.data_set)
    assert response.status == 0xC000
    assert stored(gateway_process, INSTANCE.uid) == 0


def test_two_stores_with_different_ids_one_after_the_other(peer: RawPeer) -> None:
    for number in range(20):
        assert peer.store(instances.make(), number, context_id=3).status == 0


def test_pipelined_requests_without_a_window_are_all_answered_once(peer: RawPeer) -> None:
    """A peer that ignores its window is served serially."""
    mine = instances.many(10)
    for number, one in enumerate(mine):
        peer.send(wire.message(3, wire.store_rq(one.uid, number), one.data_set))
    answers = [peer.recv_response() for _ in mine]
    assert sorted(a.message_id for a in answers) == list(range(10))
    assert {a.status for a in answers} == {0}


def test_instance_uid_with_leading_zeros_is_kept(peer: RawPeer, gateway_process) -> None:
    """Not valid by PS3.5 9.1, but archives are full of them: refusing would lose the instance."""
    instance = instances.make()
    head, _, tail = instance.uid.rpartition(".")
    uid = f"{head}.0{tail[1:]}"
    data = instance.data_set.replace(instance.uid.encode(), uid.encode())
    response = store(peer, wire.store_rq(uid), data)
    assert response.command == wire.store_rsp(uid, 1)
    assert stored(gateway_process, uid) == 1


GARBLED = {
    "last element cut off": wire.echo_rq()[:-3],
    "element of another group": wire.echo_rq() + element(0x10, b"AB", 0x0010),
    "element with a length past the end": wire.echo_rq() + b"\0\0\x03\x09\xff\xff\0\0",
}


@pytest.mark.parametrize("command", **parameters(GARBLED))
def test_garbled_command_set_with_a_message_id_is_0212(peer: RawPeer, command: bytes) -> None:
    peer.send(wire.message(1, command))
    response = peer.recv_response()
    assert (response.status, response.message_id) == (0x0212, 1)
    assert peer.echo(2).command == wire.echo_rsp(2)


# What can only be aborted

NO_RESPONSE = {
    "no message ID": wire.message(3, store_command(None, drop=0x0110)),
    "no command field": wire.message(3, store_command(None, drop=0x0100)),
    "no command set at all": wire.message(1, b""),
    "data set without a command": wire.p_data(wire.pdv(3, 2, INSTANCE.data_set)),
    "data set on another context": wire.p_data(wire.pdv(3, 3, wire.store_rq("1.2.3")))
    + wire.p_data(wire.pdv(1, 2, INSTANCE.data_set)),
    "command on another context in mid message": wire.p_data(wire.pdv(3, 3, wire.store_rq("1.2.3")))
    + wire.message(1, wire.echo_rq()),
    "command set in mid data set": wire.p_data(wire.pdv(3, 3, wire.store_rq("1.2.3")))
    + wire.p_data(wire.pdv(3, 0, INSTANCE.data_set[:100]))
    + wire.message(3, wire.echo_rq()),
    "command fragments without end": wire.p_data(wire.pdv(1, 1, bytes(8192))) * 9,
    "a response that nobody asked for": wire.message(1, wire.echo_rsp(1)),
}


@pytest.mark.parametrize("sent", **parameters(NO_RESPONSE))
def test_where_no_response_can_be_formed_the_association_is_aborted(
    peer: RawPeer, sent: bytes
) -> None:
    peer.send(sent)
    assert expect_abort(peer)[0] in (0, 2)


def test_nothing_was_stored_under_a_refused_name(gateway_process) -> None:
    assert stored(gateway_process, INSTANCE.uid) == 0
    left = [path.name for path in gateway_process.data.rglob("*.part")]
    assert left == [], "unfinished files"


def test_a_healthy_peer_was_never_disturbed(gateway_process) -> None:
    assert echo_ok(gateway_process.address)

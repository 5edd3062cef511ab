"""`dicom-gateway get` counts what it wrote, whatever the peer says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN
from tests.cli import peers
from tests.peers import instances, wire
from tests.peers.process import run_cli
from tests.requestor.scripted import Acceptor, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REMAINING, COMPLETED, FAILED, WARNING = 0x1020, 0x1021, 0x1022, 0x1023


def context_of(acceptor: Acceptor) -> int:
    """Return the ID of the context for CT images, uncompressed."""
    (context_id,) = [
        id_
        for id_, uid, syntaxes in acceptor.proposed
        if uid == wire.CT and syntaxes[0] == EXPLICIT_VR_LITTLE_ENDIAN
    ]
    return context_id


class LyingPeer:
    """Sends what it is given, and then says the numbers that it is given."""

    def __init__(self, *messages: tuple[bytes, bytes], status: int = 0, **counters: int) -> None:
        self._messages = messages
        self._status = status
        tags = {"completed": COMPLETED, "failed": FAILED, "warning": WARNING}
        self._counters = [
            wire.element(tags[name], wire.us(number)) for name, number in counters.items()
        ]
        self.answers: list[int] = []

    def __call__(self, acceptor: Acceptor) -> None:
        acceptor.accept(wire.role(wire.CT, 0, 1))
        request = acceptor.message()
        for command, data in self._messages:
            acceptor.peer.send(wire.message(context_of(acceptor), command, data))
            self.answers.append(int.from_bytes(acceptor.message().command[0x0900], "little"))
        acceptor.respond(request, self._status, None, *self._counters)
        acceptor.release()


def get(peer: LyingPeer, out: Path, *options: str) -> tuple[int, str]:
    with scripted(peer) as address:
        program = run_cli("get", *address, "-k", "PatientID=1", "-o", out, *options)
    return program.popen.returncode, program.out.text


def commands(*made: instances.Instance) -> Iterator[tuple[bytes, bytes]]:
    for number, one in enumerate(made, 1):
        yield wire.store_rq(one.uid, number), one.data_set


def test_what_came_is_what_the_peer_says(tmp_path) -> None:
    peer = LyingPeer(*commands(*instances.many(2)), completed=1, failed=0, warning=1)
    status, text = get(peer, tmp_path)
    assert (status, peer.answers) == (0, [0, 0])
    assert "2 received, 2 written, 1 with a warning; success" in text


def test_a_peer_that_does_not_count(tmp_path) -> None:
    status, text = get(LyingPeer(*commands(*instances.many(2))), tmp_path)
    assert status == 0
    assert "2 received, 2 written; success" in text


@pytest.mark.parametrize("sent", [0, 1])
def test_a_peer_that_counts_what_never_came(tmp_path, sent) -> None:
    peer = LyingPeer(*commands(*instances.many(sent)), completed=3, failed=0, warning=0)
    status, text = get(peer, tmp_path)
    assert status == 1
    assert f"{sent} received, {sent} written, but 3 according to the peer; success" in text
    assert len(list(tmp_path.glob("*.dcm"))) == sent


def test_a_peer_that_forgets_what_came(tmp_path) -> None:
    peer = LyingPeer(*commands(*instances.many(2)), completed=1, failed=0, warning=0)
    status, text = get(peer, tmp_path, "--json")
    summary = peers.summary(text)
    assert (status, summary["received"], summary["written"], summary["completed"]) == (1, 2, 2, 1)


def test_an_instance_that_was_refused_here_is_a_failure(tmp_path) -> None:
    """The first disagrees with its command, the second has no UID, the third is of another class.

    The peer takes none of the refusals as one.
    """
    first, second, third, fourth = instances.many(4)
    peer = LyingPeer(
        (wire.store_rq("1.2.3", 1), first.data_set),
        (wire.store_rq("../x", 2), second.data_set),
        (wire.store_rq(third.uid, 3, sop_class=wire.MR), third.data_set),
        (wire.store_rq(fourth.uid, 4), fourth.data_set),
    )
    status, text = get(peer, tmp_path)
    assert (status, peer.answers) == (1, [0xA900, 0x0117, 0x0122, 0x0000])
    assert "4 received, 1 written; success" in text
    assert [path.name for path in tmp_path.glob("*.dcm")] == [f"{fourth.uid}.dcm"]


def test_an_instance_that_is_cut_is_refused(tmp_path) -> None:
    first, second = instances.many(2)
    peer = LyingPeer(
        (wire.store_rq(first.uid, 1), first.data_set[:-5]),
        (wire.store_rq(second.uid, 2), second.data_set),
    )
    status, text = get(peer, tmp_path)
    assert (status, peer.answers) == (1, [0xC000, 0x0000])
    assert f"not written: {first.uid}: (7FE0,0010) has " in text
    assert "2 received, 1 written; success" in text
    assert [path.name for path in tmp_path.iterdir()] == [f"{second.uid}.dcm"]


ODD = {
    "priority 3": (wire.element(0x0700, wire.us(3)),),
    "no priority": (),
    "originator": (
        wire.element(0x0700, wire.us(0)),
        wire.element(0x1030, b"EIGHTEEN_LETTERS_!"),
        wire.element(0x1031, bytes((7, 0, 0, 0))),
    ),
}


@pytest.mark.parametrize("more", ODD.values(), ids=ODD)
def test_odd_elements_of_a_sub_operation_never_decide(tmp_path, more) -> None:
    one = instances.make()
    head = (
        wire.element(0x0002, wire.uid_value(wire.CT)),
        wire.element(0x0100, wire.us(1)),
        wire.element(0x0110, wire.us(1)),
        wire.element(0x0800, wire.us(1)),
        wire.element(0x1000, wire.uid_value(one.uid)),
    )
    peer = LyingPeer((wire.command_set(*head, *more), one.data_set), completed=1)
    assert get(peer, tmp_path)[0] == 0
    assert peer.answers == [0]

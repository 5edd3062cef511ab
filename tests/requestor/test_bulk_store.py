"""Many instances over several associations: one true outcome each, whatever the peer does."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from gateway.errors import GatewayError
from gateway.requestor import Address, Instance, Proposal, Timeouts
from gateway.requestor.bulk_store import Kind, Sender
from tests.patience import WALL
from tests.peers import wire
from tests.requestor.scripted import Acceptor, scripted

TIMEOUTS = Timeouts.all(WALL)


def some(count: int, syntax: str = wire.EXPLICIT) -> list[Instance]:
    return [Instance(wire.CT, f"1.2.{n}", syntax, 4, data=b"data") for n in range(count)]


def send(address, instances, *, associations=1, convert=None, timeouts=TIMEOUTS):
    """The outcomes by instance UID, and the notes."""
    outcomes, notes = [], []

    async def work() -> None:
        sender = Sender(
            Address(*address), Proposal(()), timeouts, outcomes.append, notes.append, convert
        )
        await sender.send(instances, associations=associations)

    asyncio.run(work())
    told = Counter(one.instance.sop_instance_uid for one in outcomes)
    assert set(told.values()) <= {1}, "an instance has two outcomes"
    assert set(told) == {one.sop_instance_uid for one in instances}
    return {one.instance.sop_instance_uid: one for one in outcomes}, notes


def kinds(outcomes) -> Counter:
    return Counter(one.kind for one in outcomes.values())


def stores(acceptor: Acceptor, count: int, status: int = 0) -> None:
    for _ in range(count):
        acceptor.respond(acceptor.message(), status)


def test_statuses_in_words() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        for status in (0, 0xB000, 0xA700, 0xC123, 0x0000):
            acceptor.respond(acceptor.message(), status)
        acceptor.release()

    with scripted(script) as address:
        outcomes, notes = send(address, some(5))
    got = [(outcomes[f"1.2.{n}"].kind, outcomes[f"1.2.{n}"].text) for n in range(5)]
    assert got == [
        (Kind.STORED, ""),
        (Kind.WARNING, "warning: Stored: data elements were coerced (status 0xB000)"),
        (Kind.REFUSED, "failure: Refused: out of resources (status 0xA700)"),
        (Kind.REFUSED, "failure: Cannot understand (status 0xC123)"),
        (Kind.STORED, ""),
    ]
    assert notes == []


def test_broken_association_costs_one_instance_and_the_rest_go_on() -> None:
    def breaks(acceptor: Acceptor) -> None:
        acceptor.accept()
        stores(acceptor, 2)
        acceptor.message()

    def good(acceptor: Acceptor) -> None:
        acceptor.accept()
        stores(acceptor, 3)
        acceptor.release()

    with scripted(breaks, good) as address:
        outcomes, _ = send(address, some(6))
    assert kinds(outcomes) == {Kind.STORED: 5, Kind.FAILED: 1}
    assert "closed the connection" in outcomes["1.2.2"].text
    assert "may be stored or not" in outcomes["1.2.2"].text


def test_three_barren_associations_are_enough() -> None:
    def barren(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.message()

    with scripted(barren) as address:
        outcomes, _ = send(address, some(10))
    assert kinds(outcomes) == {Kind.FAILED: 3, Kind.NOT_SENT: 7}
    assert "given up after 3 associations" in outcomes["1.2.9"].text


def test_rejected_in_words_for_every_instance() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.take_request()
        acceptor.peer.send(wire.associate_rj(1, 1, 3))
        acceptor.peer.recv_pdu()

    with scripted(script) as address:
        outcomes, _ = send(address, some(3), associations=2)
    assert kinds(outcomes) == {Kind.NOT_SENT: 3}
    assert "calling AE title not recognized" in outcomes["1.2.0"].text


def test_rejected_second_association_is_a_note_only() -> None:
    rejected = threading.Event()

    def good(acceptor: Acceptor) -> None:
        acceptor.accept()
        first = acceptor.message()
        assert rejected.wait(WALL)
        acceptor.respond(first, 0)
        stores(acceptor, 4)
        acceptor.release()

    def full(acceptor: Acceptor) -> None:
        acceptor.take_request()
        acceptor.peer.send(wire.associate_rj(2, 3, 2))
        acceptor.peer.recv_pdu()
        rejected.set()

    # The scripts of two connections run one after the other: the first must not wait for the
    # second, so each has an acceptor of its own thread here.
    with scripted_in_threads(good, full) as address:
        outcomes, notes = send(address, some(5), associations=2)
    assert kinds(outcomes) == {Kind.STORED: 5}
    (note,) = notes
    assert "one association less" in note
    assert "local limit exceeded" in note


def scripted_in_threads(*scripts):
    from contextlib import contextmanager

    from tests.peers.raw import RawAcceptor

    @contextmanager
    def run():
        failures = []

        def serve(peer, script) -> None:
            try:
                script(Acceptor(peer))
            except BaseException as error:
                failures.append(error)
            finally:
                peer.close()

        def accept_all() -> None:
            for script in scripts:
                thread = threading.Thread(target=serve, args=(acceptor.accept(), script))
                thread.start()
                threads.append(thread)

        threads: list[threading.Thread] = []
        with RawAcceptor() as acceptor:
            accepting = threading.Thread(target=accept_all)
            accepting.start()
            yield acceptor.address
            accepting.join(WALL)
            for thread in threads:
                thread.join(WALL)
        assert not failures, failures

    return run()


def test_several_associations_share_the_work() -> None:
    meeting = threading.Barrier(3)

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        meeting.wait(WALL)
        acceptor.respond(message, 0)
        while True:
            got = acceptor.peer.recv_pdu()
            if got == wire.release_rq():
                acceptor.peer.send(wire.release_rp())
                return
            ((context_id, _, data), *_) = wire.parse_pdvs(got)
            elements = wire.parse_command(data)
            message_id = int.from_bytes(elements[0x0110], "little")
            answer = wire.store_rsp(elements[0x1000].decode().rstrip("\0"), message_id)
            acceptor.peer.send(wire.message(context_id, answer))

    with scripted_in_threads(script, script, script) as address:
        outcomes, _ = send(address, some(30), associations=3)
    assert kinds(outcomes) == {Kind.STORED: 30}


def test_nobody_listens() -> None:
    with scripted(lambda _: None) as address:
        pass
    outcomes, _ = send(address, some(4), associations=4)
    assert kinds(outcomes) == {Kind.NOT_SENT: 4}
    assert "Connection refused" in outcomes["1.2.0"].text


def test_peer_that_releases_between_two_instances() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        acceptor.respond(message, 0)
        acceptor.peer.send(wire.release_rq())
        while acceptor.peer.recv_pdu() not in (wire.release_rp(), b""):
            pass

    with scripted(script) as address:
        outcomes, _ = send(address, some(5))
    assert kinds(outcomes)[Kind.STORED] >= 1
    assert set(kinds(outcomes)) <= {Kind.STORED, Kind.FAILED}


def test_refused_transfer_syntax_is_converted_and_said_so() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept(refuse=(wire.EXPLICIT, wire.BIG_ENDIAN))
        message = acceptor.message()
        assert message.data_set == b"DATA"
        acceptor.respond(message, 0)
        acceptor.release()

    def upper(instance: Instance, syntax: str) -> Instance:
        assert syntax == wire.IMPLICIT
        data = instance.data.upper()
        return Instance(instance.sop_class_uid, instance.sop_instance_uid, syntax, 4, data=data)

    with scripted(script) as address:
        outcomes, _ = send(address, some(1), convert=upper)
    assert outcomes["1.2.0"].kind is Kind.STORED
    assert outcomes["1.2.0"].converted_to == wire.IMPLICIT


def test_refused_transfer_syntax_without_a_way_out() -> None:
    def fails(instance: Instance, syntax: str) -> Instance:
        raise GatewayError("broken data set")

    def script(acceptor: Acceptor) -> None:
        acceptor.accept(refuse=(wire.EXPLICIT, wire.BIG_ENDIAN))
        acceptor.release()

    with scripted(script) as address:
        outcomes, _ = send(address, some(1))
        assert outcomes["1.2.0"].kind is Kind.REFUSED
        assert "transfer syntaxes not supported" in outcomes["1.2.0"].text
        outcomes, _ = send(address, some(1), convert=fails)
        assert outcomes["1.2.0"].kind is Kind.REFUSED
        assert "cannot be converted" in outcomes["1.2.0"].text
        assert "broken data set" in outcomes["1.2.0"].text


def test_compressed_is_never_converted() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept(refuse=(wire.JPEG_BASELINE,))
        acceptor.release()

    with scripted(script) as address:
        outcomes, _ = send(address, some(1, wire.JPEG_BASELINE), convert=lambda *_: 1 / 0)
    assert outcomes["1.2.0"].kind is Kind.REFUSED


def test_file_that_vanished_costs_only_itself(tmp_path) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        stores(acceptor, 2)
        acceptor.release()

    gone = Instance(wire.CT, "1.9", wire.EXPLICIT, 10, path=tmp_path / "gone")
    with scripted(script) as address:
        first, second = some(2)
        outcomes, _ = send(address, [first, gone, second])
    assert kinds(outcomes) == {Kind.STORED: 2, Kind.FAILED: 1}
    assert "No such file" in outcomes["1.9"].text


def test_file_that_shrinks_takes_its_association_along(tmp_path) -> None:
    def breaks(acceptor: Acceptor) -> None:
        acceptor.accept()
        stores(acceptor, 1)
        assert acceptor.peer.recv_all()[-2] == wire.abort(0, 0)

    def good(acceptor: Acceptor) -> None:
        acceptor.accept()
        stores(acceptor, 1)
        acceptor.release()

    path = tmp_path / "shrunk"
    path.write_bytes(bytes(3_000_000))
    shrunk = Instance(wire.CT, "1.9", wire.EXPLICIT, 5_000_000, path=path)
    with scripted(breaks, good) as address:
        first, second = some(2)
        outcomes, _ = send(address, [first, shrunk, second])
    assert kinds(outcomes) == {Kind.STORED: 2, Kind.FAILED: 1}
    assert "became shorter" in outcomes["1.9"].text


@pytest.mark.parametrize("syntax", [wire.DEFLATED, wire.EXPLICIT])
def test_peer_that_aborts_odd_lengths(tmp_path, syntax: str) -> None:
    """A deflated data set gets its NUL; another of odd length is broken, and named."""

    def aborts(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.message()
        acceptor.peer.send(wire.abort(0, 0))
        acceptor.peer.recv_pdu()

    def good(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        assert message.data_set in (b"odd\0", b"even")
        acceptor.respond(message, 0)
        acceptor.release()

    path = tmp_path / "odd"
    path.write_bytes(b"odd")
    odd = Instance(wire.CT, "1.9", syntax, 3, path=path)
    with scripted(aborts, good) as address:
        outcomes, _ = send(address, [odd])
        if syntax != wire.DEFLATED:
            assert outcomes["1.9"].kind is Kind.FAILED
            assert "odd length (3 bytes)" in outcomes["1.9"].text
            outcomes, _ = send(address, [Instance(wire.CT, "1.9", syntax, 4, data=b"even")])
        else:
            assert "a NUL after" in outcomes["1.9"].text
    assert outcomes["1.9"].kind is Kind.STORED


def test_cancelled_every_instance_has_its_outcome() -> None:
    reached = threading.Event()

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        stores(acceptor, 2)
        acceptor.message()
        reached.set()
        acceptor.peer.recv_all()

    outcomes = []

    async def work(address) -> None:
        sender = Sender(Address(*address), Proposal(()), TIMEOUTS, outcomes.append)
        task = asyncio.create_task(sender.send(some(6)))
        await asyncio.to_thread(reached.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with scripted(script) as address:
        asyncio.run(work(address))
    assert Counter(one.kind for one in outcomes) == {
        Kind.STORED: 2,
        Kind.FAILED: 1,
        Kind.NOT_SENT: 3,
    }

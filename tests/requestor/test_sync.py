"""The synchronous face: the same, from any thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.requestor import BASIC_SYNTAXES, Address, Instance, Proposal, TimedOut, Timeouts
from gateway.requestor.sync import Requestor
from tests.patience import WALL
from tests.peers import wire
from tests.requestor.scripted import Acceptor, scripted
from tests.requestor.test_association import QUICK, hang
from tests.requestor.test_requestor_association import FIND, MPPS

PROPOSAL = Proposal(
    ((wire.VERIFICATION, BASIC_SYNTAXES), (FIND, BASIC_SYNTAXES), (wire.CT, BASIC_SYNTAXES)),
    async_ops=(0, 1),
)


@pytest.fixture
def requestor():
    before = set(threading.enumerate())
    with Requestor() as requestor:
        yield requestor
    requestor.close()
    left = {one.name for one in set(threading.enumerate()) - before if not one.daemon}
    assert not left


def test_echo_find_and_release(requestor) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.respond(acceptor.message(), 0)
        query = acceptor.message()
        acceptor.respond(query, 0xFF00, b"match")
        acceptor.respond(query, 0)
        acceptor.release()

    with (
        scripted(script) as address,
        requestor.associate(Address(*address), PROPOSAL, timeouts=Timeouts.all(10)) as association,
    ):
        assert association.c_echo().status == 0
        assert [one.status for one in association.c_find(FIND, b"")] == [0xFF00, 0]
        association.release()
        assert "released" in str(association.ended)


def test_many_threads_on_one_association(requestor) -> None:
    count = 40

    def script(acceptor: Acceptor) -> None:
        acceptor.accept(wire.async_window(0, 1))
        messages = [acceptor.message() for _ in range(count)]
        for message in reversed(messages):
            number = int(message.instance.rpartition(".")[2])
            acceptor.respond(message, 0xB000 + number)
        acceptor.release()

    with scripted(script) as address, ThreadPoolExecutor(count) as pool:
        association = requestor.associate(Address(*address), PROPOSAL, timeouts=Timeouts.all(20))

        def store(number: int) -> int:
            syntax = next(iter(c.transfer_syntax for c in association.accepted_contexts.values()))
            data = b"x" * 5000
            one = Instance(wire.CT, f"1.2.{number}", syntax, len(data), data=data)
            return association.c_store(one).status - 0xB000

        assert list(pool.map(store, range(count))) == list(range(count))
        association.release()


def test_leaving_the_responses_cancels(requestor) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        query = acceptor.message()
        acceptor.respond(query, 0xFF00, b"match")
        assert acceptor.message().field == 0x0FFF
        acceptor.respond(query, 0xFE00)
        acceptor.release()

    with scripted(script) as address:
        association = requestor.associate(Address(*address), PROPOSAL, timeouts=Timeouts.all(10))
        with association.c_find(FIND, b"") as responses:
            assert next(iter(responses)).data_set == b"match"
        association.release()


def test_normalized(requestor) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept(wire.role(MPPS, 1, 1))
        for _ in range(6):
            acceptor.respond(acceptor.message(), 0)
        acceptor.release()

    proposal = Proposal(((MPPS, BASIC_SYNTAXES),), roles={MPPS: (True, True)})
    with scripted(script) as address:
        association = requestor.associate(Address(*address), proposal, timeouts=Timeouts.all(10))
        answers = (
            association.n_create(MPPS, "1.2"),
            association.n_set(MPPS, "1.2", b""),
            association.n_get(MPPS, "1.2"),
            association.n_action(MPPS, "1.2", 1),
            association.n_event_report(MPPS, "1.2", 1),
            association.n_delete(MPPS, "1.2"),
        )
        assert [one.status for one in answers] == [0] * 6
        association.release()


def test_errors_are_the_same(requestor) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        hang(acceptor)

    with scripted(script) as address:
        association = requestor.associate(Address(*address), PROPOSAL, timeouts=QUICK)
        with pytest.raises(TimedOut):
            association.c_echo()


def test_abort_and_close_with_a_living_association() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        hang(acceptor)

    with scripted(script) as address:
        requestor = Requestor()
        requestor.associate(Address(*address), PROPOSAL, timeouts=Timeouts.all(10)).abort()
        requestor.associate(Address(*address), PROPOSAL, timeouts=Timeouts.all(10))
        requestor.close()
        requestor.close()


def test_echo(requestor) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.respond(acceptor.message(), 0x0122)
        acceptor.release()

    with scripted(script) as address:
        assert requestor.echo(*address, timeout=WALL).status == 0x0122

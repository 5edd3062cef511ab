"""Several messages in one read: the outcome is that of the same messages one by one, in both roles.

Whatever ends an association ends it once, and nothing that was in the same segment gets past it.
"""

from __future__ import annotations

import gc
import itertools
import warnings
from typing import Any

import pytest

from gateway.association.errors import AssociationError, Released
from gateway.dimse.message import CEchoRQ
from gateway.ul.fsm import Side
from tests.association.support import Alone, Held, run
from tests.peers import wire

UNSUPPORTED = wire.command_set(
    wire.element(0x0100, wire.us(0x0777)),
    wire.element(0x0110, wire.us(9)),
    wire.element(0x0800, wire.us(wire.NO_DATA_SET)),
)
MESSAGES = {
    "expected": wire.message(1, wire.echo_rsp(1)),
    "stray": wire.message(3, wire.store_rsp("1.2", 77)),
    "echo": wire.message(1, wire.echo_rq(5)),
    "store": wire.message(3, wire.store_rq("1.2", 6), b"\x08\x00\x16\x00\x00\x00\x00\x00"),
    "half": wire.message(3, wire.store_rq("1.2", 7), b"x" * 100)[:-50],
    "cancel": wire.message(1, wire.cancel_rq(5)),
    "unknown": wire.message(1, UNSUPPORTED),
    "data": wire.p_data(wire.pdv(1, 2, b"data")),
    "release": wire.release_rq(),
    "released": wire.release_rp(),
    "abort": wire.abort(0, 0),
    "p-abort": wire.abort(2, 6),
    "garbage": wire.pdu(9, b"?"),
    "associate": wire.associate_rq(),
}
SIDES = pytest.mark.parametrize("side", list(Side))


def outcome(side, data: bytes, chunk: int, *, asked=True, releasing=False, held=False) -> Any:
    """All that can be seen of an association that was sent `data` in reads of so many bytes."""

    async def work() -> Any:
        alone = Alone(side, answer=(lambda _: None) if held else Held.respond)
        engine, seen = alone.engine, []
        if asked:
            context = engine.upper.accepted_contexts[1]
            operation = await engine.in_flight.invoke(context, CEchoRQ(1))
        if releasing:
            release = alone.engine._loop.create_task(engine.release())
            await alone.settle()
        alone.end.feed(data, chunk)
        await alone.settle()
        before = engine.upper.state, engine.phase, bytes(alone.end.written)
        alone.end.close()
        await alone.settle()
        if asked:
            assert operation.is_over
            seen = [received.status async for received in with_error(operation)]
        if releasing:
            assert release.done()
            release.exception()
        role = alone.role
        assert role.told == ["connected", "established", "ended", "closed"]
        requests = [(type(h.request).__name__, bytes(h.data), h.calls) for h in role.requests]
        return *before, [str(error) for error in role.ends], requests, seen

    return run(work)


async def with_error(operation: Any) -> Any:
    try:
        async for received in operation:
            yield received
    except AssociationError:
        return


@pytest.mark.parametrize("held", [False, True], ids=["answered", "held"])
@pytest.mark.parametrize("releasing", [False, True], ids=["open", "releasing"])
@pytest.mark.parametrize("first", list(MESSAGES))
@SIDES
def test_pairs(side: Side, first: str, releasing: bool, held: bool) -> None:
    for second in MESSAGES:
        data = MESSAGES[first] + MESSAGES[second]
        how = {"asked": True, "releasing": releasing, "held": held}
        whole = outcome(side, data, len(data), **how)
        assert whole == outcome(side, data, 1, **how), second
        assert whole == outcome(side, data, len(MESSAGES[first]), **how), second


@SIDES
def test_three(side: Side) -> None:
    for names in itertools.product(("expected", "stray", "echo", "release", "abort"), repeat=3):
        data = b"".join(MESSAGES[name] for name in names)
        assert outcome(side, data, len(data)) == outcome(side, data, 1), names


# Faults that there were


@SIDES
def test_a_stray_response_and_a_release_request_end_it_once(side: Side) -> None:
    async def work() -> None:
        alone = Alone(side)
        alone.end.feed(MESSAGES["stray"] + MESSAGES["release"])
        await alone.settle()
        assert [str(error)[:40] for error in alone.role.ends] == [
            "the peer's message made no sense: respon"
        ]
        assert bytes(alone.end.written) == wire.abort(0, 0)

    run(work)


@SIDES
def test_of_two_responses_the_first_is_unexpected(side: Side) -> None:
    async def work() -> None:
        alone = Alone(side)
        context = alone.engine.upper.accepted_contexts[1]
        operation = await alone.engine.in_flight.invoke(context, CEchoRQ(1))
        alone.end.feed(MESSAGES["stray"] + MESSAGES["expected"])
        with pytest.raises(AssociationError, match="not in flight"):
            await operation.final()
        assert len(alone.role.ends) == 1

    run(work)


@SIDES
def test_a_stray_response_and_the_release_response(side: Side) -> None:
    async def work() -> None:
        alone = Alone(side)
        release = alone.engine._loop.create_task(alone.engine.release())
        await alone.settle()
        alone.end.feed(MESSAGES["stray"] + MESSAGES["released"])
        with pytest.raises(AssociationError, match="no sense"):
            await release
        assert not isinstance(alone.role.ends[0], Released)
        assert len(alone.role.ends) == 1

    run(work)


@SIDES
def test_a_request_and_an_abort_leave_nothing_behind(side: Side) -> None:
    async def work() -> None:
        alone = Alone(side)
        alone.end.feed(MESSAGES["store"] + MESSAGES["abort"])
        await alone.settle()
        assert len(alone.role.ends) == 1

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(work)
        gc.collect()
    assert not caught

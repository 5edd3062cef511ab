"""Several requests and answers in one message, between real sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq
import zmq.asyncio

from gateway.errors import FabricError, Unanswered
from gateway.fabric import Answer
from gateway.fabric.acceptor import Intervention
from gateway.fabric.acceptor.batches import BATCH, BATCH_DATA
from gateway.fabric.acceptor.interventions import WINDOW
from gateway.fabric.wire.fields import MAX_BATCH
from tests.fabric.answer_stream import Stream
from tests.fabric.world import FIND, STORE, WAIT, Member, acceptor, members, take, until

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.fabric import ReceivedIntervention
    from gateway.fabric.acceptor import Server


class Waiting:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[Answer | Unanswered] = asyncio.Queue()

    def answered(self, answer: Answer) -> None:
        self.told.put_nowait(answer)

    def unanswered(self, error: Unanswered) -> None:
        self.told.put_nowait(error)

    async def next(self) -> Answer | Unanswered:
        return await asyncio.wait_for(self.told.get(), WAIT)


def asked(payload: dict[str, Any], data: bytes | None = None, **kw: Any) -> Intervention:
    return Intervention("EVT_C_STORE", payload, kw.pop("assoc", b""), data, sink=Waiting(), **kw)


async def next_of(*interventions: Intervention) -> list[Any]:
    return [await one.sink.next() for one in interventions]  # type: ignore[attr-defined]


class Raw:
    """A worker without a client: what it gets and gives is msgpack."""

    def __init__(self, run_dir: Path, credit: int = 100) -> None:
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.connect(f"ipc://{run_dir}/acceptor-0.requests")
        bindings = [["EVT_C_STORE", True, False, 30]]
        self._register = [1, 2, "raw", 1, 0, credit, 0, "", "x", False, 1, bindings, {}]

    async def __aenter__(self) -> Raw:
        await self.send(*self._register)
        kinds = [(await self.receive())[0][0] for _ in range(2)]
        assert kinds == [16, 28]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    async def send(self, *fields: Any, data: bytes | None = None) -> None:
        await self._socket.send_multipart([msgpack.packb(fields), *([data] if data else [])])

    async def receive(self) -> tuple[list[Any], bytes | None]:
        frames = await asyncio.wait_for(self._socket.recv_multipart(), WAIT)
        return msgpack.unpackb(frames[0]), frames[1] if len(frames) == 2 else None


def test_what_is_asked_in_one_turn_leaves_in_one_message(run_dir: Path) -> None:
    async def scene() -> None:
        context = {"context": [1, "1.2", "1.3"]}
        async with acceptor(run_dir) as server, Raw(run_dir) as raw:
            some = [
                asked({"n": 0}, b"zero", assoc=b"a", shared=context),
                asked({"n": 1}, assoc=b"b", shared=context),
                asked({"n": 2}, b"", assoc=b"a", shared=context),
                asked({"n": 3}, b"three", assoc=b"a", shared=dict(context)),
            ]
            for one in some:
                server.ask(one)
            (kind, shared, items, more), data = await raw.receive()
            assert (kind, more, data) == (21, {}, b"zerothree")
            event = "EVT_C_STORE"
            assert shared == [
                [event, b"a", context],
                [event, b"b", context],
                [event, b"a", context],
            ]
            rows = [[item[1], *item[4:]] for item in items]
            assert rows == [
                [0, 0, {"n": 0}, 4],
                [1, 0, {"n": 1}, None],
                [0, 0, {"n": 2}, 0],
                [2, 0, {"n": 3}, 5],
            ]
            tokens = [item[0] for item in items]
            back = [[tokens[3], True, {"n": 3}, 3], [tokens[0], True, {"n": 0}, None]]
            await raw.send(3, back, {"later": 1}, data=b"xyz")
            assert await next_of(some[0], some[3]) == [Answer({"n": 0}), Answer({"n": 3}, b"xyz")]
            await raw.send(3, [[tokens[1], True, {}, 0]], {})
            assert await next_of(some[1]) == [Answer({}, b"")]

    asyncio.run(scene())


def test_one_that_is_alone_leaves_alone(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server, Raw(run_dir) as raw:
            for number in range(3):
                server.ask(asked({"n": number}))
                (_, _, items, _), _ = await raw.receive()
                assert [item[5] for item in items] == [{"n": number}]

    asyncio.run(scene())


def test_messages_are_cut_by_number_and_by_size(run_dir: Path) -> None:
    async def scene() -> None:
        half = bytes(BATCH_DATA // 2)
        async with acceptor(run_dir) as server, Raw(run_dir) as raw:
            for number in range(BATCH + 1):
                server.ask(asked({"n": number}))
            sizes = [len((await raw.receive())[0][2]) for _ in range(2)]
            assert sizes == [BATCH, 1]
            for data in (half, half, half, bytes(3 * BATCH_DATA), b"x"):
                server.ask(asked({}, data))
            received = [await raw.receive() for _ in range(4)]
            assert [len(envelope[2]) for envelope, _ in received] == [2, 1, 1, 1]
            sizes = [len(data or b"") for _, data in received]
            assert sizes == [BATCH_DATA, BATCH_DATA // 2, 3 * BATCH_DATA, 1]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("back", "data"),
    [
        (lambda token: [[token, True, {}, 5]], b"four"),
        (lambda token: [[token, True, {}, 3]], b"four"),
        (lambda token: [[token, True, {}, None]], b"four"),
        (lambda token: [[token, True, {}, 1]], None),
    ],
    ids=["short", "long", "unannounced", "missing"],
)
def test_data_that_is_not_as_announced_is_a_fault(run_dir: Path, back: Any, data: Any) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server, Raw(run_dir) as raw:
            server.ask(one := asked({}))
            (_, _, ((token, *_),), _), _ = await raw.receive()
            await raw.send(3, back(token), {}, data=data)
            await raw.send(3, [[token, True, {"second": True}, None]], {})
            assert await next_of(one) == [Answer({"second": True})]
            for _ in range(2):
                await raw.send(3, back(token), {}, data=data)
            assert (await raw.receive())[0][0] == 20

    asyncio.run(scene())


def test_each_request_and_answer_of_many_is_the_right_one(run_dir: Path) -> None:
    async def scene() -> None:
        def reply(member: Member, request: Any) -> None:
            data = request.data and bytes(request.data)[::-1]
            member.client.answer(request.token, Answer(request.payload, data))

        async with acceptor(run_dir) as server, members(Member(run_dir, STORE, reply=reply)):
            some = [asked({"n": n}, b"%d" % n if n % 3 else None) for n in range(300)]
            for one in some:
                server.ask(one)
            for n, answer in enumerate(await next_of(*some)):
                assert answer == Answer({"n": n}, (b"%d" % n)[::-1] if n % 3 else None)

    asyncio.run(scene())


def test_one_that_cannot_be_encoded_takes_no_other_along(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server, Raw(run_dir) as raw:
            some = [asked({"n": 0}), asked({"n": object()}), asked({"n": 2})]
            for one in some:
                server.ask(one)
            (error,) = await next_of(some[1])
            assert isinstance(error, Unanswered)
            assert "cannot be encoded" in str(error)
            got = [(await raw.receive())[0][2][0][5] for _ in range(2)]
            assert got == [{"n": 0}, {"n": 2}]

    asyncio.run(scene())


def test_one_that_is_abandoned_in_the_same_turn_never_leaves(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server, Raw(run_dir, credit=1) as raw:
            first, second = asked({"n": 1}), asked({"n": 2})
            server.ask(first)
            server.ask(second)
            server.abandon(first)
            (_, _, items, _), _ = await raw.receive()
            assert [item[5] for item in items] == [{"n": 2}]

    asyncio.run(scene())


def test_a_sink_is_not_called_within_ask(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server:
            server.ask(one := asked({}))
            assert one.sink.told.empty()  # type: ignore[attr-defined]
            assert isinstance((await next_of(one))[0], Unanswered)

    asyncio.run(scene())


def test_an_abandoned_sink_hears_nothing_more(run_dir: Path) -> None:
    """Not even an answer that came in the same message as the one that made it abandoned."""

    async def scene() -> None:
        async with acceptor(run_dir) as server, Raw(run_dir) as raw:
            first, second, third = asked({}), asked({}), asked({})

            class Abandons(Waiting):
                def answered(self, answer: Answer) -> None:
                    server.abandon(second)
                    super().answered(answer)

            sink, first.sink = second.sink, Abandons()
            for one in (first, second, third):
                server.ask(one)
            (_, _, items, _), _ = await raw.receive()
            await raw.send(3, [[token, True, {}, None] for token, *_ in items], {})
            await next_of(first, third)
            assert sink.told.empty()  # type: ignore[attr-defined]

    asyncio.run(scene())


def test_a_sink_that_raises_costs_no_other_its_answer(run_dir: Path) -> None:
    class Raises(Waiting):
        def answered(self, answer: Answer) -> None:
            raise RuntimeError("a bug")

    async def scene() -> None:
        async with acceptor(run_dir) as server, Raw(run_dir) as raw:
            first, second = asked({}), asked({})
            first.sink = Raises()
            server.ask(first)
            server.ask(second)
            (_, _, items, _), _ = await raw.receive()
            await raw.send(3, [[token, True, {}, None] for token, *_ in items], {})
            await next_of(second)

    asyncio.run(scene())


async def held(server: Server, member: Member, number: int) -> tuple[list[Any], list[Any]]:
    some = [asked({"n": n}) for n in range(number)]
    for one in some:
        server.ask(one)
    return some, [await take(member.requests) for _ in some]


def test_a_member_answers_many_at_once(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, STORE, credit=500)
        async with acceptor(run_dir) as server, members(member):
            some, requests = await held(server, member, MAX_BATCH + 50)
            sent = count_messages(member)
            answers = [(r.token, Answer(r.payload, b"%d" % r.payload["n"])) for r in requests]
            member.client.answer_many(answers)
            got = await next_of(*some)
            assert got == [Answer({"n": n}, b"%d" % n) for n in range(len(some))]
            assert len(sent) == 2
            member.client.answer_many(answers)
            assert len(sent) == 2, "they are no longer in hand"

    asyncio.run(scene())


def test_of_many_answers_all_can_be_encoded_or_none_is_sent(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, STORE)
        async with acceptor(run_dir) as server, members(member):
            some, requests = await held(server, member, 2)
            first, second = (request.token for request in requests)
            with pytest.raises(FabricError, match="cannot be encoded"):
                member.client.answer_many([(first, Answer({})), (second, Answer({"x": object()}))])
            assert member.client.answer(second, Answer({"n": 2}))
            assert member.client.answer(first, Answer({"n": 1}))
            assert await next_of(*some) == [Answer({"n": 1}), Answer({"n": 2})]

    asyncio.run(scene())


def test_of_many_answers_those_that_nobody_awaits_only_free_their_credit(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, STORE, credit=2)
        async with acceptor(run_dir) as server, members(member):
            some, requests = await held(server, member, 2)
            server.abandon(some[0])
            await take(member.cancels)
            member.client.answer_many([(r.token, Answer(r.payload)) for r in requests])
            assert await next_of(some[1]) == [Answer({"n": 1})]
            _, again = await held(server, member, 2)
            assert [request.payload for request in again] == [{"n": 0}, {"n": 1}]

    asyncio.run(scene())


def count_messages(member: Member) -> list[int]:
    """Which grows by one with each message that the member posts."""
    (link,) = member.client._membership.links.values()
    sent: list[int] = []
    post = link.post_frames

    def counting(frames: Any) -> None:
        sent.append(len(frames))
        post(frames)

    link.post_frames = counting  # type: ignore[method-assign]
    return sent


def test_answers_that_are_given_together_keep_order_and_credit(run_dir: Path) -> None:
    many = 2 * WINDOW + 3

    async def scene() -> None:
        member = Member(run_dir, FIND)
        parts = [Answer({"part": n}, bytes([n]), final=False) for n in range(many)]

        def produce(request: ReceivedIntervention) -> None:
            assert member.client.answer_stream(request.token, parts)
            member.client.answer(request.token, Answer({"part": many}))
            assert not member.client.answer_stream(request.token, parts), "it was answered"

        async with (
            acceptor(run_dir) as server,
            members(member),
            Stream(server, "EVT_C_FIND", {"n": 0}) as stream,
        ):
            request = await take(member.requests)
            producing = asyncio.create_task(asyncio.to_thread(produce, request))
            given = [answer async for answer in stream]
            await producing
        assert [answer.payload["part"] for answer in given] == list(range(many + 1))
        assert [answer.data for answer in given[:-1]] == [bytes([n]) for n in range(many)]

    asyncio.run(scene())


def test_streams_of_one_message_have_each_their_credit(run_dir: Path) -> None:
    many = WINDOW + 14

    async def scene() -> None:
        member = Member(run_dir, FIND)
        sent = [0, 0]

        def produce(request: ReceivedIntervention) -> None:
            for part in range(many):
                assert member.client.answer(request.token, Answer({"part": part}, final=False))
                sent[request.payload["n"]] += 1
            member.client.answer(request.token, Answer({"part": many}))

        async with acceptor(run_dir) as server, members(member):
            first, second = (Stream(server, "EVT_C_FIND", {"n": n}) for n in range(2))
            async with first, second:
                requests = [await take(member.requests) for _ in range(2)]
                producing = [asyncio.create_task(asyncio.to_thread(produce, r)) for r in requests]
                assert [a.payload["part"] async for a in second] == list(range(many + 1))
                await until(lambda: sent == [WINDOW, many])
                assert [a.payload["part"] async for a in first] == list(range(many + 1))
                await asyncio.gather(*producing)

    asyncio.run(scene())

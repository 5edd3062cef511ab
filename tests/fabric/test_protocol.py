"""PROTOCOL.md says what the code does, and is enough for a stranger to write a worker."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

import gateway.fabric
from gateway.fabric import CommandFailure
from gateway.fabric.acceptor import commands, feed, interventions, lease
from gateway.fabric.acceptor.holdings import MAX_SOP_CLASSES
from gateway.fabric.wire.envelopes import (
    ENVELOPES,
    MAX_CREDIT,
    Refusal,
    decode,
)
from gateway.fabric.wire.fields import MAX_BATCH, MAX_BINDINGS, MAX_DEADLINE, MAX_NAME
from gateway.fabric.wire.frames import MAX_DATA, MAX_ENVELOPE, MAX_ITEMS, VERSION, topic_frame
from gateway.fabric.wire.terms import CancelReason
from tests.fabric.world import acceptor

TEXT = (Path(gateway.fabric.__file__).parent / "PROTOCOL.md").read_text("utf-8")
EXAMPLES = re.findall(r"^([A-Z]+)\n\n```\n([0-9a-f \n]+)\n(\[.*\])\n```$", TEXT, re.MULTILINE)


def test_the_version() -> None:
    assert TEXT.startswith(f"# The fabric's protocol, version {VERSION}\n")
    assert f"`version` is {VERSION}." in TEXT


def test_the_table_of_envelopes() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z]+) \| [^|]+ \| ([^|]+) \|$", TEXT, re.MULTILINE)
    written = [(int(kind), name, names.strip().split(", ")) for kind, name, names in rows]
    assert written == [
        (e.KIND, e.__name__.upper(), [f.name for f in fields(e) if f.default is MISSING])
        for e in ENVELOPES.values()
    ]


def test_the_table_of_limits() -> None:
    section = TEXT.split("### Limits")[1].split("## The lease")[0]
    numbers = [int(n) for n in re.findall(r"^\| [^|]+ \| (\d+) \|$", section, re.MULTILINE)]
    assert numbers == [
        MAX_ENVELOPE,
        MAX_ITEMS,
        MAX_NAME,
        MAX_BINDINGS,
        MAX_SOP_CLASSES,
        MAX_BATCH,
        MAX_CREDIT,
        int(MAX_DEADLINE),
        feed.REPEATS,
        interventions.WINDOW,
        commands.MAX_OPEN,
        lease.FAULTS,
        MAX_DATA,
    ]


@pytest.mark.parametrize("kind", [Refusal, CancelReason, CommandFailure])
def test_the_words(kind: Any) -> None:
    assert all(f"| `{word.value}` |" in TEXT for word in kind)


def test_there_are_examples_of_the_main_envelopes() -> None:
    assert len(EXAMPLES) >= 14


@pytest.mark.parametrize(("name", "hexadecimal", "text"), EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_the_examples(name: str, hexadecimal: str, text: str) -> None:
    data = bytes.fromhex(hexadecimal)
    envelope = decode(data)
    assert type(envelope).__name__.upper() == name
    assert envelope.encode() == data
    assert msgpack.unpackb(data) == _unplain(json.loads(text))


def test_the_topic_frame() -> None:
    assert topic_frame("EVT_RELEASED").hex(" ") in TEXT


def _unplain(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"bin"}:
        return bytes.fromhex(value["bin"])
    if isinstance(value, list):
        return [_unplain(item) for item in value]
    if isinstance(value, dict):
        return {key: _unplain(item) for key, item in value.items()}
    return value


def _stranger(run_dir: str) -> tuple[Any, Any]:
    """A worker written from the page alone: one request, one notification."""
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as dealer,
        context.socket(zmq.SUB) as sub,
    ):
        sub.setsockopt(zmq.RCVTIMEO, 10_000)
        dealer.setsockopt(zmq.RCVTIMEO, 10_000)
        dealer.connect(f"ipc://{run_dir}/acceptor-0.requests")
        sub.connect(f"ipc://{run_dir}/acceptor-0.events")
        sub.subscribe(b"EVT_RELEASED\0")
        assert msgpack.unpackb(sub.recv_multipart()[1])[0] == 33
        bindings = [["EVT_C_ECHO", False, False, 30]]
        register = [1, 2, "stranger", 1, 0, 1, 0, "", "x", False, 1, bindings, {"later": 1}]
        dealer.send(msgpack.packb(register))
        grant = msgpack.unpackb(dealer.recv())
        dealer.send(msgpack.packb([2, grant[1], {}]))
        replies = [msgpack.unpackb(dealer.recv()) for _ in range(3)]
        assert [28, ["EVT_RELEASED"], {}] in replies
        (request,) = (reply for reply in replies if reply[0] == 21)
        (echoed,) = (reply for reply in replies if reply[0] == 2)
        item = [request[2][0][0], True, {"status": 0}, 4]
        dealer.send_multipart([msgpack.packb([3, [item], {}]), b"data"])
        topic, notified = sub.recv_multipart()
        dealer.send(msgpack.packb([4, grant[1], {}]))
        assert (grant[0], echoed, topic) == (16, [2, grant[1], {}], b"EVT_RELEASED\0")
        return request, msgpack.unpackb(notified)


def test_a_stranger_can_be_a_worker(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir, expect=("stranger",)) as server:
            stranger = asyncio.create_task(asyncio.to_thread(_stranger, str(run_dir)))
            answer = await server.ask_once("EVT_C_ECHO", {"message_id": 1}, assoc=b"a")
            assert (answer.payload, answer.data) == ({"status": 0}, b"data")
            server.publish("EVT_RELEASED", {"x": 1})
            request, notified = await stranger
            (shared,), (item,), more = request[1:]
            assert (shared, more) == (["EVT_C_ECHO", b"a", {}], {})
            assert [item[1], item[2], *item[4:]] == [0, 1, 0, {"message_id": 1}, None]
            assert (notified[0], notified[2], notified[4]) == (32, 1, {"x": 1})

    asyncio.run(scene())


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\xc1", b"\x91\x63", b"\x93\x02\xa0\xa0", b"\x92\x02\xa0", b"\x93\x10\xa0\x80"],
    ids=repr,
)
def test_three_messages_of_garbage_end_the_lease(run_dir: Path, garbage: bytes) -> None:
    def misbehave() -> Any:
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.RCVTIMEO, 10_000)
            dealer.connect(f"ipc://{run_dir}/acceptor-0.requests")
            dealer.send(msgpack.packb([1, 2, "w", 1, 0, 1, 0, "", "x", False, 1, [], {}]))
            for _ in range(3):
                dealer.send(garbage)
            return [msgpack.unpackb(dealer.recv())[0] for _ in range(3)]

    async def scene() -> None:
        async with acceptor(run_dir):
            assert await asyncio.to_thread(misbehave) == [16, 28, 20]

    asyncio.run(scene())

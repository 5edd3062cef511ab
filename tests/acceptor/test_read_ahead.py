"""Files of a C-GET are read at once if they are cached, and in a thread if that takes time."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from gateway.acceptor.answer_queue import AnswerQueue
from gateway.acceptor.instance import Sending, Unsendable
from gateway.acceptor.read_ahead import AHEAD, ReadAhead
from gateway.datasets.instances import FilePart, read_cached
from gateway.fabric import Answer
from gateway.ul.negotiation import AcceptedContext
from tests.peers import wire

if TYPE_CHECKING:
    from pathlib import Path

CONTEXTS = {
    1: AcceptedContext(1, wire.CT, wire.EXPLICIT, True, False),
    3: AcceptedContext(3, wire.CT, wire.EXPLICIT, False, True),
}


def row(path: Path, number: int = 1, context_id: int = 1) -> list[Any]:
    return [context_id, wire.CT, f"1.2.{number}", str(path), 2, 4]


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "one"
    path.write_bytes(b"--data--")
    return path


class Reader:
    """What a C-GET reads ahead of the answers that it was given."""

    def __init__(self, *rows: list[Any]) -> None:
        self.answers = AnswerQueue(lambda: None)
        self.answers.put(Answer({"status": 0xFF00, "instances": list(rows)}, final=False))
        self.resumed = asyncio.Event()
        self.ahead = ReadAhead(self.answers, lambda: CONTEXTS, self.resumed.set, self._failed)

    def _failed(self) -> None:
        raise AssertionError("it failed")

    async def take(self) -> tuple[Any, bool]:
        """Return the next instance, and whether it was there at once."""
        found, is_prompt = self.ahead.next(), True
        if found is None:
            is_prompt = False
            await self.resumed.wait()
            found = self.ahead.next()
        self.answers.take()
        assert found is not None
        return found, is_prompt


def test_cached_files_are_read_at_once(file) -> None:
    async def scene() -> None:
        reader = Reader(*(row(file, n) for n in range(AHEAD + 1)))
        for number in range(AHEAD + 1):
            sending, is_prompt = await reader.take()
            assert is_prompt
            assert sending == Sending(CONTEXTS[1], wire.CT, f"1.2.{number}", b"data")

    asyncio.run(scene())


def test_what_would_wait_for_the_disk_is_read_in_a_thread(file, monkeypatch) -> None:
    def preadv(*_: Any) -> int:
        raise BlockingIOError(11, "not cached")

    async def scene() -> None:
        reader = Reader(row(file, 1), row(file, 2))
        first, is_prompt = await reader.take()
        assert not is_prompt
        assert (first.sop_instance_uid, first.data_set) == ("1.2.1", b"data")
        second, _ = await reader.take()
        assert (second.sop_instance_uid, second.data_set) == ("1.2.2", b"data")

    monkeypatch.setattr(os, "preadv", preadv)
    asyncio.run(scene())


def test_one_that_is_gone_or_on_no_context_of_ours_fails_alone(file) -> None:
    async def scene() -> None:
        gone = row(file.parent / "gone", 1)
        reader = Reader(gone, row(file, 2, context_id=3), row(file, 3))
        missing, unfit, whole = [(await reader.take())[0] for _ in range(3)]
        assert isinstance(missing.data_set, FilePart), "the error comes when it is sent"
        assert isinstance(unfit, Unsendable)
        assert unfit.sop_instance_uid == "1.2.2"
        assert whole.data_set == b"data"

    asyncio.run(scene())


@pytest.mark.parametrize("size", [7, 1 << 16])
def test_a_file_that_has_become_shorter_is_not_read_as_cached(file, size) -> None:
    with pytest.raises(BlockingIOError):
        read_cached(str(file), 2, size)


def test_nothing_is_resumed_after_the_end(file, monkeypatch) -> None:
    async def scene() -> None:
        reader = Reader([*row(file)])
        assert reader.ahead.next() is None
        reader.ahead.close()
        await asyncio.get_running_loop().shutdown_default_executor()
        await asyncio.sleep(0)
        assert not reader.resumed.is_set()

    monkeypatch.setattr("gateway.acceptor.read_ahead.CAN_READ_CACHED", False)
    asyncio.run(scene())

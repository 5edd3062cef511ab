"""Data sets that come in several answers of a C-GET handler."""

from __future__ import annotations

import asyncio

import pytest

from gateway.acceptor.answer_queue import AnswerQueue, ListedInstance
from gateway.errors import Reason, Unanswered
from gateway.fabric import Answer


def piece(data: bytes | None, *, more: bool = True) -> Answer:
    return Answer({"status": 0xFF00, **({"more": True} if more else {})}, data, final=False)


FINAL = Answer({"status": 0})
FAILED = Answer({"failed": "encoding", "error": "gone"}, final=False)


class Queue(AnswerQueue):
    """A queue that puts the next answer in only when it is waited for."""

    def __init__(self, *later: Answer | Exception) -> None:
        super().__init__(self._one_consumed)
        self.number_consumed = 0
        self._later = list(later)

    def _one_consumed(self) -> None:
        self.number_consumed += 1
        asyncio.get_running_loop().call_soon(lambda: self.put(self._later.pop(0)))


def collect(queue: Queue, first: Answer) -> list[bytes]:
    async def gather() -> list[bytes]:
        queue.put(first)
        return [one async for one in queue.pieces(queue.take())]

    return asyncio.run(gather())


def test_pieces_are_taken_as_they_come() -> None:
    queue = Queue(piece(b"b"), piece(b"c", more=False), FINAL)
    assert collect(queue, piece(b"a")) == [b"a", b"b", b"c"]
    assert queue.number_consumed == 2
    assert not queue


def test_one_answer_may_have_the_whole() -> None:
    assert collect(Queue(), piece(b"a", more=False)) == [b"a"]


@pytest.mark.parametrize("end", [FINAL, Unanswered(Reason.LOST)], ids=["final", "lost"])
def test_a_data_set_that_is_not_completed_is_an_error(end) -> None:
    queue = Queue(piece(b"b"), end)
    with pytest.raises(OSError, match="did not send the rest"):
        collect(queue, piece(b"a"))
    assert queue.take() is end, "it still ends the request"


def test_a_data_set_that_the_worker_cannot_complete_is_an_error() -> None:
    with pytest.raises(OSError, match="did not send the rest"):
        collect(Queue(FAILED), piece(b"a"))


def test_the_rest_of_what_is_not_sent_is_skipped() -> None:
    async def skip() -> None:
        queue.put(piece(b"a"))
        queue.take()
        await queue.skip()

    queue = Queue(piece(b"b"), piece(b"c", more=False))
    asyncio.run(skip())
    assert queue.number_consumed == 2
    assert not queue


def test_what_is_ahead_ends_before_what_is_not_a_single_instance() -> None:
    queue = AnswerQueue(lambda: None)
    first, second, piece = ({"path": "1"}, {"path": "2"}, {"more": True})
    for payload in (first, second, piece, {"path": "3"}):
        queue.put(Answer(payload, final=False))
    assert [answer.payload for answer in queue.ahead(7)] == [first, second]
    assert [answer.payload for answer in queue.ahead(1)] == [first]
    assert [answer.payload for answer in queue.ahead(7, 1)] == [second]
    for answer in (first, second, piece):
        assert queue.take().payload == answer
    assert [answer.payload for answer in queue.ahead(7)] == [{"path": "3"}]
    queue.put(Answer({"status": 0}))
    assert len(queue.ahead(7)) == 1


def listing(*rows: object) -> Answer:
    return Answer({"status": 0xFF00, "elements": {}, "instances": list(rows)}, final=False)


ROW = [1, "1.2", "1.2.3", "/a/file", 10, 20]


def test_a_list_stands_for_its_instances() -> None:
    queue = AnswerQueue(lambda: None)
    queue.put(listing(ROW, ROW))
    queue.put(FINAL)
    assert queue.ahead(7) == [ListedInstance(*ROW), ListedInstance(*ROW, is_last=True)]
    assert [queue.take().is_last for _ in range(2)] == [False, True]
    assert queue.take() is FINAL


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [ROW, ROW[:-1]],
        [ROW, "text"],
        [[True, *ROW[1:]]],
        [[*ROW[:3], "/a\0file", 1, 2]],
        [[*ROW[:4], -1, 2]],
        [[*ROW[:4], 1, -2]],
    ],
    ids=repr,
)
def test_a_list_that_makes_no_sense_is_an_answer_that_names_nothing(rows) -> None:
    queue = AnswerQueue(lambda: None)
    queue.put(listing(*rows))
    assert queue.take() == Answer({}, final=False)
    assert not queue

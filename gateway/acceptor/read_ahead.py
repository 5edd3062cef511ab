"""The instances of the next answers of a C-GET, which are read before it is their turn.

Files of lists are read in the thread of the event loop, as long as that does not wait for a disk:
the worker has just looked at each of them, so its path is cached, and what is not in the page cache
is not read there (`read_cached`). A hop to a thread costs more than a small file, and a second
thread takes the interpreter from the first one with each system call. All else is read in a thread:
what is not cached, and files to look into.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from gateway.acceptor.answer_queue import ListedInstance
from gateway.acceptor.instance import READ_AHEAD, length_of, listed, locate_all
from gateway.datasets.instances import CAN_READ_CACHED, SLOW, read_cached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.acceptor.answer_queue import AnswerQueue, Item
    from gateway.acceptor.instance import Sending, Unsendable
    from gateway.ul.negotiation import AcceptedContext

AHEAD = 16
"""Instances at most that are located together."""
FEW = 8
"""Located instances at most that are left when a thread locates the next ones."""
PROMPT = 256 * 1024
"""Bytes that are read in the event loop's thread in one turn, unless a single file has more."""


class ReadAhead:
    """Locates the instances in a queue of answers.

    `resume` is called when there is one after `next` returned None, `fail` while an exception is
    handled that is an error of this program.
    """

    def __init__(
        self,
        answers: AnswerQueue,
        contexts: Callable[[], Mapping[int, AcceptedContext]],
        resume: Callable[[], None],
        fail: Callable[[], None],
    ) -> None:
        self._answers = answers
        self._contexts = contexts
        self._resume = resume
        self._fail = fail
        self._located: deque[Sending | Unsendable] = deque()
        """The instances of the next answers."""
        self._is_prompt = CAN_READ_CACHED
        self._is_locating = False
        self._is_awaited = False
        self._is_closed = False

    def next(self) -> Sending | Unsendable | None:
        """Return the instance of the next answer; None: not yet."""
        located = self._located
        if not located and self._is_prompt:
            self._read_promptly()
        if not located or (len(located) <= FEW and not self._is_prompt):
            self._locate()
        self._is_awaited = not located
        return located.popleft() if located else None

    def close(self) -> None:
        self._is_closed = True

    def _read_promptly(self) -> None:
        """Read the next files of lists; where one is not cached, a thread reads from then on."""
        contexts, begun = self._contexts(), time.monotonic()
        try:
            for item in self._ahead(PROMPT):
                if not isinstance(item, ListedInstance):
                    return
                self._located.append(listed(item, contexts, read_cached))
        except BlockingIOError:
            self._is_prompt = False
        if time.monotonic() - begun > SLOW:
            self._is_prompt = False

    def _locate(self) -> None:
        """Locate the next instances: in a thread, if there are files among them."""
        if self._is_locating:
            return
        items = list(self._ahead(READ_AHEAD))
        if not any(map(_names_file, items)):
            self._located += locate_all(items, self._contexts())
            return
        self._is_locating = True
        loop = asyncio.get_running_loop()
        found = loop.run_in_executor(None, locate_all, items, self._contexts())
        found.add_done_callback(self._take_located)

    def _take_located(self, found: asyncio.Future[list[Sending | Unsendable]]) -> None:
        self._is_locating = False
        if self._is_closed or found.cancelled():
            return
        try:
            self._located += found.result()
        except Exception:  # a bug: nobody awaits this future
            self._fail()
            return
        if self._is_awaited:
            self._is_awaited = False
            self._resume()

    def _ahead(self, room: int) -> Iterator[Item]:
        """Yield what is behind the located instances, while it fits; one in any case."""
        for number, item in enumerate(self._answers.ahead(AHEAD, len(self._located))):
            room -= length_of(item)
            if room < 0 and number:
                return
            yield item


def _names_file(item: Item) -> bool:
    return isinstance(item, ListedInstance) or "path" in item.payload or "claim" in item.payload

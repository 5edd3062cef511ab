"""An event loop whose turns stay short while peers send large objects.

Descriptors that are *behind* are reported a few at a time, in turn; all others whenever they are
ready. So one turn of the loop has few large reads, however many peers send, and whatever else
there is - a C-ECHO, the answers of workers, a new connection - is looked at between them.

The kernel does the work: what is behind is in an epoll set of its own, which is itself a member of
the set that the loop waits for. If more members of a set are ready than `epoll_wait` may report, it
goes on with the others in the next call.
"""

from __future__ import annotations

import asyncio
import math
import select
import selectors
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from selectors import SelectorKey

    from _typeshed import FileDescriptorLike

FRONT_TO_BEHIND = 4
"""One descriptor behind is reported with each so many others, and one more: work of both kinds goes
on, whatever there is more of."""

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class RankedSelector(selectors.BaseSelector):
    """A selector for asyncio, on Linux."""

    def __init__(self) -> None:
        self._front, self._back = select.epoll(), select.epoll()
        self._back_descriptor = self._back.fileno()
        self._front.register(self._back_descriptor, select.EPOLLIN)
        self._keys: dict[int, SelectorKey] = {}
        self._behind: set[int] = set()

    def put_behind(self, descriptor: int) -> None:
        """Report a descriptor after others from now on, registered at present or not.

        The number stays behind until `put_in_front`, also when the descriptor is closed.
        """
        if descriptor not in self._behind:
            self._move(descriptor, self._front, self._back)
            self._behind.add(descriptor)

    def put_in_front(self, descriptor: int) -> None:
        """Report a descriptor whenever it is ready, as any that was never put behind."""
        if descriptor in self._behind:
            self._move(descriptor, self._back, self._front)
            self._behind.remove(descriptor)

    def _move(self, descriptor: int, source: select.epoll, target: select.epoll) -> None:
        if (key := self._keys.get(descriptor)) is not None:
            source.unregister(descriptor)
            target.register(descriptor, _mask(key.events))

    def _set_of(self, descriptor: int) -> select.epoll:
        return self._back if descriptor in self._behind else self._front

    # as asyncio calls it

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        seconds = None if timeout is None else max(0.0, math.ceil(timeout * 1e3) * 1e-3)
        try:
            found = self._front.poll(seconds, len(self._keys) + 1)
        except InterruptedError:
            return []
        keys, ready, behind = self._keys, [], False
        for descriptor, events in found:
            if descriptor == self._back_descriptor:
                behind = True
            elif (key := keys.get(descriptor)) is not None:
                is_plain = events == select.EPOLLIN  # mostly, and no call is needed
                ready.append((key, _READ & key.events) if is_plain else _reported(key, events))
        if behind:
            most = 1 + len(ready) // FRONT_TO_BEHIND
            for descriptor, events in self._back.poll(0, most):
                if (key := keys.get(descriptor)) is not None:
                    ready.append(_reported(key, events))
        return ready

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> SelectorKey:
        descriptor = _descriptor_of(fileobj)
        if descriptor in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        self._set_of(descriptor).register(descriptor, _mask(events))
        key = self._keys[descriptor] = selectors.SelectorKey(fileobj, descriptor, events, data)
        return key

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> SelectorKey:
        descriptor = _descriptor_of(fileobj)
        before = self._keys[descriptor]
        if events != before.events:
            self._set_of(descriptor).modify(descriptor, _mask(events))
        key = self._keys[descriptor] = before._replace(events=events, data=data)
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> SelectorKey:
        descriptor = _descriptor_of(fileobj)
        key = self._keys.pop(descriptor)
        with suppress(OSError):  # it is closed, and has left its set by that
            self._set_of(descriptor).unregister(descriptor)
        return key

    def get_key(self, fileobj: FileDescriptorLike) -> SelectorKey:
        return self._keys[_descriptor_of(fileobj)]

    def get_map(self) -> Mapping[FileDescriptorLike, SelectorKey]:
        return {key.fileobj: key for key in self._keys.values()}

    def close(self) -> None:
        self._back.close()
        self._front.close()


def _descriptor_of(fileobj: FileDescriptorLike) -> int:
    return fileobj if isinstance(fileobj, int) else fileobj.fileno()


def _mask(events: int) -> int:
    return (events & _READ and select.EPOLLIN) | (events & _WRITE and select.EPOLLOUT)


def _reported(key: SelectorKey, events: int) -> tuple[SelectorKey, int]:
    """Return what is ready; an error or a hang-up counts as both."""
    ready = (events & ~select.EPOLLOUT and _READ) | (events & ~select.EPOLLIN and _WRITE)
    return key, ready & key.events


class RankedEventLoop(asyncio.SelectorEventLoop):
    """An event loop with a RankedSelector."""

    def __init__(self) -> None:
        self.ranks = RankedSelector()
        super().__init__(self.ranks)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a RankedEventLoop, or what asyncio has where there is no epoll."""
    return RankedEventLoop() if hasattr(select, "epoll") else asyncio.new_event_loop()

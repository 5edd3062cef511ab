"""The client's event loop: sockets, calls from other threads, and one timeout."""

from __future__ import annotations

import math
import os
import select
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.wire.sockets import Frames, SocketPort

_BATCH = 256
"""Messages of one port that are handled before those of the others."""


class PollLoop:
    """A loop that runs in one thread; any thread may use `wake` and `call`."""

    def __init__(self) -> None:
        self._wakeup = -1
        self._poll = select.poll()
        self._handlers: dict[SocketPort, Callable[[Frames], None]] = {}
        self._by_descriptor: dict[int, SocketPort] = {}
        self._woken: deque[SocketPort] = deque()
        self._commands: deque[Callable[[], None]] = deque()

    def open(self) -> None:
        """Make the descriptor that wakes the loop; call this first."""
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._wakeup, select.POLLIN)

    def add(self, port: SocketPort, handle: Callable[[Frames], None]) -> None:
        """Call `handle` with each message of the port."""
        self._handlers[port] = handle
        self._by_descriptor[port.fd] = port
        self._poll.register(port.fd, select.POLLIN)
        self.wake(port)

    def remove(self, port: SocketPort) -> None:
        """Forget a port; call this before it is closed."""
        del self._handlers[port]
        del self._by_descriptor[port.fd]
        self._poll.unregister(port.fd)

    def wake(self, port: SocketPort) -> None:
        """Handle the port's messages, although its descriptor may not say that there are any."""
        self._woken.append(port)
        self._ring()

    def call(self, command: Callable[[], None]) -> None:
        """Run this in the loop's thread."""
        self._commands.append(command)
        self._ring()

    def turn(self, timeout: float) -> None:
        """Sleep until something happens, at most `timeout` seconds, and handle it."""
        milliseconds = math.ceil(max(0.0, timeout) * 1000)
        ports = set()
        for descriptor, _ in self._poll.poll(milliseconds):
            if descriptor == self._wakeup:
                os.eventfd_read(self._wakeup)
            else:
                ports.add(self._by_descriptor[descriptor])
        while self._woken:
            ports.add(self._woken.popleft())
        while self._commands:
            self._commands.popleft()()
        for port in ports:
            self._drain(port)

    def close(self) -> None:
        """Close the descriptor; later wake-ups do nothing."""
        wakeup, self._wakeup = self._wakeup, -1
        os.close(wakeup)

    def _drain(self, port: SocketPort) -> None:
        for _ in range(_BATCH):
            handle = self._handlers.get(port)
            frames = None if handle is None else port.receive()
            if handle is None or frames is None:
                return
            handle(frames)
        self.wake(port)

    def _ring(self) -> None:
        with suppress(OSError):
            os.eventfd_write(self._wakeup, 1)

"""What is read is acknowledged at once, unless the peer waits for a response to it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from gateway.association.transport import Transport
from gateway.ul.upper_layer import Closing


class Acknowledged:
    """A socket that counts how often the mode is set."""

    times = 0

    def setsockopt(self, *_option: int) -> None:
        self.times += 1


def test_no_acknowledgement_goes_before_a_response_that_the_peer_waits_for() -> None:
    async def scene() -> None:
        state = {"has_news": False, "is_traced": False, "deadline": None, "closing": Closing.NO}
        upper: Any = SimpleNamespace(**state)
        user: Any = SimpleNamespace(read_done=lambda: None, not_read=lambda: None)
        transport = Transport(upper, user, send_timeout=1.0)
        connection: Any = Acknowledged()
        transport._socket = connection
        request_ends, at_a_time = 0, 10

        def receive_some(_view: memoryview, position: int, _now: float) -> int:
            position += at_a_time
            transport.is_awaited = transport.is_awaited or position == request_ends
            return position

        upper.receive_some = receive_some
        transport.buffer_updated(10)
        assert connection.times == 1
        request_ends = 10
        transport.buffer_updated(10)
        assert connection.times == 1
        request_ends = 0
        transport.buffer_updated(10)
        assert connection.times == 2
        request_ends = at_a_time = 5
        transport.buffer_updated(10)  # more comes behind the request
        assert connection.times == 3
        request_ends = 10
        transport.buffer_updated(10)  # something else came before it
        assert connection.times == 3

    asyncio.run(scene())

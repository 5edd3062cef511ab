"""Every connection, in either role, notices a peer that is gone without a word."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.association.timers import Timeouts
from gateway.ul.fsm import Side
from tests.association.support import acceptor, requestor, run


@pytest.mark.parametrize("side", list(Side))
def test_keepalive_and_user_timeout_are_set(side: Side) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        role = (requestor if side is Side.REQUESTOR else acceptor)(timeouts=Timeouts.all(7.5))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            transport, _ = await loop.create_connection(
                lambda: role.engine.transport, *listener.getsockname()
            )
            connection = transport.get_extra_info("socket")
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            for option, value in (
                (socket.TCP_NODELAY, 1),
                (socket.TCP_KEEPIDLE, 30),
                (socket.TCP_KEEPINTVL, 10),
                (socket.TCP_KEEPCNT, 3),
                (socket.TCP_USER_TIMEOUT, 7500),
            ):
                assert connection.getsockopt(socket.IPPROTO_TCP, option) == value
            transport.abort()
            await role.engine.connection_closed.wait()

    run(work)

"""HTTP clients that make no progress are closed, and those that take too much give way."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse

from tests.patience import WALL
from workers.http import clients
from workers.http.web_server import WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import Receive, Scope, Send

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """`/body` takes the body, `/endless` sends without end; all else is answered at once."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield bytes(1 << 20)

    if scope["path"] == "/endless":
        await StreamingResponse(endless())(scope, receive, send)
        return
    size = 0
    while scope["path"] == "/body":
        message = await receive()
        if message["type"] != "http.request":
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    await PlainTextResponse(f"read {size}")(scope, receive, send)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setattr(clients, "LOOK", 0.01)
    made = WebServer(application, "127.0.0.1", 0)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def connected(server: WebServer, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.create_connection(server.address, WALL, (source, 0)) as connection:
        yield connection


def answer(connection: socket.socket) -> bytes:
    """What comes until the server closes, or a body that is whole."""
    found = b""
    while b"read 0" not in found:
        try:
            data = connection.recv(65_536)
        except ConnectionResetError:
            break
        if not data:
            break
        found += data
    return found


def is_served(server: WebServer, source: str = "127.0.0.1") -> bool:
    with connected(server, source) as connection:
        connection.sendall(HEAD + b"\r\n")
        return b" 200 OK" in answer(connection)


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"\r\n" + HEAD], ids=["none", "part", "next"])
def test_a_request_that_does_not_come_is_not_awaited(server, monkeypatch, sent, caplog) -> None:
    monkeypatch.setattr(clients, "HEAD_WITHIN", 0.05)
    with connected(server) as connection:
        connection.sendall(sent)
        if sent.count(b"GET") == 2:
            assert b"read 0" in answer(connection)
            connection.sendall(b"X-More: 1\r\n")
        assert not answer(connection)
    assert "no whole request came" in caplog.text
    assert is_served(server)


def test_a_body_has_to_come_at_a_rate(server, monkeypatch, caplog) -> None:
    monkeypatch.setattr(clients, "RATE_PERIOD", 0.05)
    with connected(server) as connection:
        connection.sendall(POST + b"1\r\nx\r\n")
        assert not answer(connection)
    assert "of a body came" in caplog.text


def test_the_rest_of_an_unwanted_body_has_an_end(server, monkeypatch, caplog) -> None:
    monkeypatch.setattr(clients, "HEAD_WITHIN", 0.05)
    with connected(server) as connection:
        connection.sendall(POST.replace(b"/body", b"/other") + b"1\r\nx\r\n")
        assert b"read 0" in answer(connection)
        assert not answer(connection)
    assert "no whole request came" in caplog.text


def test_a_response_has_to_be_read(server, monkeypatch, caplog) -> None:
    monkeypatch.setattr(clients, "RATE_PERIOD", 0.05)
    with connected(server) as connection:
        connection.sendall(HEAD.replace(b"/", b"/endless", 1) + b"\r\n")
        wait_for(caplog, "does not read")
    assert is_served(server)


def wait_for(caplog: pytest.LogCaptureFixture, text: str) -> None:
    end = time.monotonic() + WALL
    while text not in caplog.text:
        assert time.monotonic() < end, caplog.text


def test_silent_connections_leave_room_for_others(server, monkeypatch) -> None:
    monkeypatch.setattr(clients, "HEAD_WITHIN", 1e6)
    silent = [socket.create_connection(server.address, WALL) for _ in range(clients.WAITING + 40)]
    try:
        assert is_served(server)
        assert is_served(server, "127.0.0.2")
        assert not silent[0].recv(1), "the oldest was closed"
    finally:
        for one in silent:
            one.close()


def test_requests_that_go_on_give_way_to_another_address_only(server, monkeypatch) -> None:
    held = [socket.create_connection(server.address, WALL) for _ in range(clients.REQUESTS)]
    try:
        for one in held:
            one.sendall(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        for one in held:
            assert b" 100 " in one.recv(100)
        with connected(server) as connection:
            connection.sendall(HEAD + b"\r\n")
            assert b" 503 " in answer(connection)
        assert is_served(server, "127.0.0.2")
        assert not answer(held[0])
        held[1].sendall(b"0\r\n\r\n")
        assert b"read 0" in answer(held[1])
    finally:
        for one in held:
            one.close()

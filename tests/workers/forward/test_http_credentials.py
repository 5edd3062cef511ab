"""Client credentials: a token is kept, renewed in time and after a refusal, and shown nowhere."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gateway.requestor import Timeouts
from gateway.settings import Destination
from tests.clock import Clock
from tests.patience import WALL
from tests.peers.web_store import Reply, WebStore, module, reply_with
from tests.workers.forward.test_stow_link import entry_of, made, send
from workers.forward.http_connection import NoHttpAnswer
from workers.forward.http_credentials import ClientCredentials
from workers.forward.outcomes import SendVerdict
from workers.forward.stow_link import StowLink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "a secret/with:odd signs"


@dataclass
class TokenServer(WebStore):
    """Gives a new token for each request."""

    lifetime: object = 100
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    reply: Reply | None = None

    def serve(self, handler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.asked.append((headers, handler.rfile.read(int(headers["content-length"]))))
        told = {"access_token": f"token-{len(self.asked)}", "token_type": "Bearer"}
        told |= {"expires_in": self.lifetime} if self.lifetime else {}
        reply = self.reply or Reply(200, json.dumps(told).encode())
        reply_with(handler, reply)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer().running() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def entry(server: TokenServer, tmp_path: Path) -> Destination:
    (tmp_path / "secret").write_text(SECRET)
    return Destination(
        url="http://localhost:1",
        oauth_url=f"http://localhost:{server.port}/token",
        oauth_client="gateway",
        oauth_secret_file=str(tmp_path / "secret"),
        oauth_scope="dicom.store",
    )


@pytest.fixture
def source(entry: Destination, clock: Clock) -> ClientCredentials:
    return ClientCredentials(entry, timeouts=Timeouts.all(WALL), clock=clock)


def test_a_token_is_kept_and_renewed_before_it_ends(
    source: ClientCredentials, server: TokenServer, clock: Clock
) -> None:
    assert source.header() == source.header() == "Bearer token-1"
    headers, body = server.asked[0]
    assert headers["authorization"] == "Basic Z2F0ZXdheTphK3NlY3JldCUyRndpdGglM0FvZGQrc2lnbnM="
    assert body == b"grant_type=client_credentials&scope=dicom.store"
    clock.now += 79
    assert source.header() == "Bearer token-1"
    clock.now += 2  # a fifth of its time is left
    assert source.header() == "Bearer token-2"
    assert source.renew("Bearer token-1")  # another thread has renewed it
    assert len(server.asked) == 2
    assert source.renew("Bearer token-2")
    assert source.header() == "Bearer token-3"


def test_a_token_without_an_end_is_kept_until_it_is_refused(
    source: ClientCredentials, server: TokenServer, clock: Clock
) -> None:
    server.lifetime = None
    source.header()
    clock.now += 1e9
    assert source.header() == "Bearer token-1"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401, b'{"error": "invalid_client"}'), "answered HTTP 401 (invalid_client)"),
        (Reply(500, b"<html>"), "answered HTTP 500"),
        (Reply(200, b"<html>"), "answered HTTP 200 without a token"),
        (Reply(200, b"{}"), "answered HTTP 200 without a token"),
        (Reply(200, b"[" * 100_000), "answered HTTP 200 without a token"),
        (Reply(200, b'{"access_token": 7}'), "answered HTTP 200 without a token"),
        (Reply(200, b'{"access_token": "a\\r\\nb: c"}'), "answered HTTP 200 without a token"),
        (Reply(200, b'{"access_token": "a", "expires_in": "x"}'), "without a token"),
        (Reply(302, b"", {"Location": "http://x/"}), "answered HTTP 302"),
        (Reply(0), "closed the connection without an answer"),
    ],
)
def test_why_there_is_no_token(
    source: ClientCredentials, server: TokenServer, reply: Reply, words: str
) -> None:
    server.reply = reply
    with pytest.raises(NoHttpAnswer) as caught:
        source.header()
    assert caught.value.verdict is SendVerdict.NO_ROUTE
    assert "no token from oauth_url: " in str(caught.value)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_refused_token_is_replaced_and_the_request_repeated(
    source: ClientCredentials, server: TokenServer
) -> None:
    peer = WebStore()
    peer.answer = lambda asked: (
        Reply(401) if asked.headers["authorization"] == "Bearer token-1" else module(asked.uids)
    )
    with peer.running():
        link = StowLink(entry_of(peer), source, None, Timeouts.all(WALL))
        assert send(link, made(1))[0].verdict is SendVerdict.DONE
        assert send(link, made(1))[0].verdict is SendVerdict.DONE
        link.release()
    assert [asked.headers["authorization"] for asked in peer.requests] == [
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-2",
    ]
    peer.answer = lambda _asked: Reply(401)
    with peer.running():
        link = StowLink(entry_of(peer), source, None, Timeouts.all(WALL))
        assert send(link, made(1))[0].verdict is SendVerdict.NO_ROUTE
        link.release()
    assert len(server.asked) == 3

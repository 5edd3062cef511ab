"""A destination in trouble: told in words by `outbox ls` and the page, and nothing is lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from gateway.requestor import Timeouts
from gateway.settings import Destination as Entry
from tests.patience import WALL
from tests.peers import procfs, wire
from tests.peers.destination import Destination
from tests.peers.scp import free_port
from tests.peers.web_store import Reply, WebStore, matches, module, searched_uids
from tests.system.test_forward import odd_destination
from tests.workers.forward.forwarding_site import NAME, Site, forwarding
from tests.workers.forward.test_stow_link import made, secured
from workers.forward import destination_queue, forwarder

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

LONG, SHORT = Timeouts.all(WALL), Timeouts.all(0.3)
REJECTED = b"\x03\x00\x00\x00\x00\x04\x00\x01\x01\x07"
ABORTED = b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination_queue, "POLL", 0.02)
    monkeypatch.setattr(forwarder, "TICK", 0.05)


def is_told(site: Site, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wait until the destination is said to fail for this reason, in each place."""
    procfs.until(lambda: words in site.page()["state"], what=f"{words!r} in {site.page()}")
    row = site.page()
    assert row["state"].startswith("failing: ")
    assert words in row["error"]
    assert words in site.listed(capsys)
    (text,) = site.forwarder.troubles().values()
    assert text.startswith(f"{NAME}: failing: ")
    assert words in text
    assert len(site.rows("waiting")) == len(site.rows()) == 2


def is_mended(site: Site) -> None:
    site.wait_empty()
    procfs.until(lambda: site.page()["state"] == "ok", what="a destination that is well")
    assert not site.forwarder.troubles()


def ae(port: int, **more: Any) -> Entry:
    return Entry("127.0.0.1", port, **more)


def web(peer: WebStore, **more: Any) -> Entry:
    return Entry("localhost", peer.port, url=peer.url, **more)


# AEs


def test_an_ae_that_is_down_and_returns(tmp_path: Path, capsys: Any) -> None:
    peer = Destination()
    with forwarding(tmp_path, ae(peer.port), LONG) as site:
        site.put(*made(2))
        is_told(site, "Connection refused", capsys)
        assert {row.attempts for row in site.rows()} == {0}
        with peer.running():
            is_mended(site)
    assert {len(times) for times in peer.got.values()} == {1}


def test_an_ae_that_is_full_and_then_not(tmp_path: Path, capsys: Any) -> None:
    peer = Destination(answer=lambda _uid: 0xA700)
    with peer.running(), forwarding(tmp_path, ae(peer.port), LONG) as site:
        site.put(*made(2))
        is_told(site, "the destination answered A700: out of resources", capsys)
        assert {row.attempts for row in site.rows()} == {0}
        peer.answer = lambda _uid: 0x0000
        is_mended(site)


@pytest.mark.parametrize(
    ("answer", "timeouts", "words"),
    [
        (REJECTED, LONG, "called AE title not recognized"),
        (ABORTED, LONG, "the peer aborted the association"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", LONG, "the peer broke the protocol: PDU type 48H"),
        (b"", SHORT, "no answer to the A-ASSOCIATE-RQ in 0.3 s"),
    ],
    ids=["rejects", "aborts", "garbage", "silent"],
)
def test_an_ae_that_does_not_associate(
    answer: bytes, timeouts: Timeouts, words: str, tmp_path: Path, capsys: Any
) -> None:
    with (
        odd_destination(answer) as (_, port),
        forwarding(tmp_path, ae(port), timeouts) as site,
    ):
        site.put(*made(2))
        is_told(site, words, capsys)
        assert {row.attempts for row in site.rows()} == {0}


def certificate_is_changed(
    folder: Path, peer: Any, entry: Any, right: ssl.SSLContext, capsys: Any
) -> None:
    """A certificate that is not trusted is told of, and the right one mends it."""
    with forwarding(folder, entry, LONG) as site:
        with peer.running():
            site.put(*made(2))
            is_told(site, "the peer's certificate is not valid", capsys)
        peer.tls = right
        with peer.running():
            is_mended(site)


def test_an_ae_that_changes_its_certificate(tmp_path: Path, capsys: Any) -> None:
    authority, foreign = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    peer = Destination(tls=secured(foreign))
    entry = replace(ae(peer.port, tls=True, tls_ca=str(tmp_path / "ca.pem")), host="localhost")
    certificate_is_changed(tmp_path, peer, entry, secured(authority), capsys)


def test_an_ae_that_refuses_one_sop_class(tmp_path: Path, capsys: Any) -> None:
    peer, (one,) = Destination(), made(1)
    other = replace(one, sop_class_uid=wire.MR, sop_instance_uid="1.2.3")
    with peer.running(), forwarding(tmp_path, ae(peer.port), LONG) as site:
        site.put(other, one)
        _is_parked(site, "1.2.3", "MR Image Storage", capsys)
        assert list(peer.got) == [one.sop_instance_uid]


def _is_parked(site: Site, uid: str, words: str, capsys: Any) -> None:
    """Wait until one is parked and the other is sent, and see what is told of it."""
    procfs.until(lambda: [row.state for row in site.rows()] == ["parked"], what="one parked row")
    (row,) = site.rows()
    assert row.entry.sop_instance_uid == uid
    assert words in row.reason
    assert site.page()["state"] == "ok"
    assert words in site.page()["error"]
    assert " 1 parked" in site.listed(capsys)


# DICOMweb services


@pytest.mark.parametrize(
    ("reply", "words", "counts"),
    [
        (Reply(507), "the destination answered HTTP 507: it has no room", False),
        (Reply(503), "the destination answered HTTP 503: it cannot take anything now", False),
        (
            Reply(302, b"", {"Location": "http://a/"}),
            "it redirects to http://a/, which is not",
            False,
        ),
        (Reply(403), "HTTP 403: it does not accept our user, password or token", False),
        (Reply(404), "url in [destinations] is not that of a service that stores", False),
        (
            Reply(200, b"<html>", {"Content-Type": "text/html"}),
            "HTTP 200 with text/html, which",
            True,
        ),
        (Reply(-1, b"220 mail.example ESMTP\r\n\r\n"), "is not HTTP", True),
        (Reply(0), "closed the connection without an answer", True),
        (Reply(500), "the destination answered HTTP 500", True),
    ],
    ids=["full", "busy", "redirects", "403", "404", "login page", "garbage", "closes", "500"],
)
def test_a_service_that_takes_nothing_and_then_everything(
    reply: Reply, words: str, counts: bool, tmp_path: Path, capsys: Any
) -> None:
    told = threading.Event()

    def answer(asked: Any) -> Reply:
        return module(asked.uids) if told.is_set() else reply

    with (peer := WebStore(answer=answer)).running(), forwarding(tmp_path, web(peer), LONG) as site:
        site.put(*made(2))
        is_told(site, words, capsys)
        assert counts or {row.attempts for row in site.rows()} == {0}
        told.set()
        is_mended(site)
        assert len(peer.files) == 2


def test_a_service_that_is_down_and_returns(tmp_path: Path, capsys: Any) -> None:
    peer = WebStore()
    with forwarding(tmp_path, web(peer), LONG) as site:
        site.put(*made(2))
        is_told(site, f"no connection with http://localhost:{peer.port}: Connection", capsys)
        with peer.running():
            is_mended(site)
    assert {len(times) for times in peer.times.values()} == {1}


def test_a_service_that_is_slow(tmp_path: Path, capsys: Any) -> None:
    goes_on = threading.Event()
    peer = WebStore(answer=lambda asked: goes_on.wait(WALL) and module(asked.uids))
    with peer.running(), forwarding(tmp_path, web(peer), SHORT) as site:
        site.put(*made(2))
        is_told(site, "does not read, or does not answer within 0.3 s", capsys)
        goes_on.set()
        is_mended(site)


def test_a_service_that_changes_its_certificate(tmp_path: Path, capsys: Any) -> None:
    authority, foreign = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    peer = WebStore(tls=secured(foreign))
    entry = web(peer, tls_ca=str(tmp_path / "ca.pem"))
    certificate_is_changed(tmp_path, peer, entry, secured(authority), capsys)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (None, "Connection refused"),
        (Reply(500), "answered HTTP 500"),
        (Reply(200, b"<html>"), "answered HTTP 200 without a token"),
        (Reply(400, b'{"error": "invalid_client"}'), "answered HTTP 400 (invalid_client)"),
        (Reply(302, b"", {"Location": "/"}), "answered HTTP 302"),
        (Reply(-1, b"220 mail.example ESMTP\r\n\r\n"), "is not HTTP"),
    ],
    ids=["down", "500", "login page", "unknown client", "redirects", "garbage"],
)
def test_a_token_endpoint_in_trouble(
    reply: Reply | None, words: str, tmp_path: Path, capsys: Any
) -> None:
    secret, peer = tmp_path / "secret", WebStore()
    secret.write_text("a secret of the tests")
    server = WebStore(refuse=lambda _headers: reply)
    oauth = f"http://localhost:{server.port if reply else free_port()}/token"
    entry = web(peer, oauth_url=oauth, oauth_client="us", oauth_secret_file=str(secret))
    with peer.running(), server.running(), forwarding(tmp_path, entry, LONG) as site:
        site.put(*made(2))
        is_told(site, "no token from oauth_url: ", capsys)
        assert words in site.page()["error"]
        assert {row.attempts for row in site.rows()} == {0}
        assert "a secret of" not in site.listed(capsys)
        server.refuse = lambda _headers: Reply(200, b'{"access_token": "t"}', closes=True)
        if reply is not None:
            is_mended(site)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (0x0122, "answered 0122: it does not support the SOP class"),
        (0xC122, "answered C122: it does not support the transfer syntax"),
        (0xA900, "answered A900: the data set does not match its SOP class"),
    ],
)
def test_a_service_that_refuses_one_instance(
    reason: int, words: str, tmp_path: Path, capsys: Any
) -> None:
    sent = made(2)
    bad = sent[0].sop_instance_uid
    peer = WebStore()
    peer.answer = lambda asked: module(
        [uid for uid in asked.uids if uid != bad], {bad: reason} if bad in asked.uids else {}
    )
    with peer.running(), forwarding(tmp_path, web(peer), LONG) as site:
        site.put(*sent)
        _is_parked(site, bad, words, capsys)
        assert sent[1].sop_instance_uid in peer.files


def test_a_service_that_cannot_be_searched_keeps_what_it_has(tmp_path: Path, capsys: Any) -> None:
    peer = WebStore(find=lambda _path: Reply(500))
    with peer.running(), forwarding(tmp_path, web(peer, confirm="find"), LONG) as site:
        site.put(*made(2))
        words = "cannot be asked for confirmation: the destination answered HTTP 500 to a search"
        procfs.until(lambda: words in site.page()["state"], what="words")
        assert words in site.listed(capsys)
        assert words in site.forwarder.troubles()[f"destination {NAME}"]
        assert {row.state for row in site.rows()} == {"sent"}
        peer.find = lambda path: matches(*searched_uids(path))
        is_mended(site)
    assert {len(times) for times in peer.times.values()} == {1}

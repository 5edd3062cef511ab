"""A link to a DICOMweb service: several instances in a request, and all that can go wrong."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trustme

from gateway.datasets import Instance
from gateway.requestor import Timeouts
from gateway.sdk.move.destination import NoRoute
from gateway.settings import Destination
from gateway.tls import client_context
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.web_store import Reply, WebStore, module
from tests.workers.dicomweb.read_parts import parts_in
from workers.forward.http_credentials import StoredSecret, credentials_of
from workers.forward.outcomes import SendOutcome, SendVerdict
from workers.forward.stow_body import PIECE, StowBody
from workers.forward.stow_link import StowLink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = Timeouts.all(WALL)


def entry_of(peer: WebStore, **more: object) -> Destination:
    entry = Destination(url=peer.url, operations=8)
    service = entry.service
    return replace(entry, host=service.host, port=service.port, **more)


@contextmanager
def linked(peer: WebStore, timeouts: Timeouts = QUICK, **more: object) -> Iterator[StowLink]:
    tls = more.pop("context", None)
    entry = entry_of(peer, **more)
    link = StowLink(entry, credentials_of(entry, tls, timeouts), tls, timeouts)
    try:
        yield link
    finally:
        link.release()


def made(count: int, size: int = 2048) -> list[Instance]:
    return [
        Instance(one.sop_class, one.uid, one.transfer_syntax, len(one.data_set), data=one.data_set)
        for one in instances.many(count, size=size)
    ]


def send(link: StowLink, sent: list[Instance]) -> list[SendOutcome]:
    begun = [link.begin(one, None) for one in sent]
    return [one.answered.result(WALL) for one in begun]


def test_instances_arrive_as_files_over_one_connection() -> None:
    peer, sent = WebStore(), made(20)
    with peer.running(), linked(peer) as link:
        assert {one.verdict for one in send(link, sent)} == {SendVerdict.DONE}
        assert link.is_open
    assert [uid for asked in peer.requests for uid in asked.uids] == [
        one.sop_instance_uid for one in sent
    ]
    assert all(peer.files[one.sop_instance_uid].endswith(one.data) for one in sent)
    assert len({asked.connection for asked in peer.requests}) == 1
    assert max(len(asked.uids) for asked in peer.requests) <= 8
    assert len(peer.requests) < 20
    asked = peer.requests[0]
    assert asked.path == "/dicom-web/studies"
    assert asked.headers["content-type"].startswith('multipart/related; type="application/dicom"')
    assert "authorization" not in asked.headers


def test_what_comes_while_a_request_is_under_way_goes_into_the_next_one() -> None:
    peer, goes_on, sent = WebStore(), threading.Event(), made(12)

    def answer(asked):
        goes_on.wait(WALL)
        return module(asked.uids)

    peer.answer = answer
    with peer.running(), linked(peer) as link:
        first = link.begin(sent[0], None)
        procfs.until(lambda: peer.requests, what="the first request")
        others = [link.begin(one, None) for one in sent[1:]]
        assert link.is_full
        goes_on.set()
        for one in (first, *others):
            assert one.answered.result(WALL).verdict is SendVerdict.DONE
    assert [len(asked.uids) for asked in peer.requests] == [1, 8, 3]


def test_each_instance_gets_what_is_said_of_it() -> None:
    peer, sent = WebStore(), made(3)
    bad = sent[1].sop_instance_uid
    peer.answer = lambda asked: module(
        [uid for uid in asked.uids if uid != bad], {bad: 0xA900} if bad in asked.uids else {}
    )
    with peer.running(), linked(peer) as link:
        found = [one.verdict for one in send(link, sent)]
        assert link.is_open
    assert found == [SendVerdict.DONE, SendVerdict.PARK, SendVerdict.DONE]


@pytest.mark.parametrize(("status", "verdict"), [(413, SendVerdict.PARK), (400, SendVerdict.AGAIN)])
def test_one_instance_that_a_request_fails_for_does_not_fail_the_others(
    status: int, verdict: SendVerdict
) -> None:
    peer, goes_on, sent = WebStore(), threading.Event(), made(5)
    bad = sent[3].sop_instance_uid

    def answer(asked):
        goes_on.wait(WALL)
        return Reply(status) if bad in asked.uids else module(asked.uids)

    peer.answer = answer
    with peer.running(), linked(peer) as link:
        begun = [link.begin(one, None) for one in sent]
        goes_on.set()
        found = [one.answered.result(WALL).verdict for one in begun]
    assert found == [SendVerdict.DONE] * 3 + [verdict, SendVerdict.DONE]


@pytest.mark.parametrize(
    ("reply", "verdict", "words"),
    [
        (Reply(503, headers={"Retry-After": "9"}), SendVerdict.FULL, "it cannot take anything"),
        (Reply(429), SendVerdict.FULL, "HTTP 429"),
        (Reply(500), SendVerdict.LOST, "HTTP 500"),
        (Reply(401), SendVerdict.NO_ROUTE, "does not accept our user, password or token"),
        (Reply(404), SendVerdict.NO_ROUTE, "not that of a service that stores"),
        (Reply(302, headers={"Location": "http://a/"}), SendVerdict.NO_ROUTE, "http://a/"),
        (Reply(200, b"<html>", {"Content-Type": "text/html"}), SendVerdict.LOST, "text/html"),
        (Reply(0), SendVerdict.LOST, "closed the connection without an answer"),
        (Reply(-1, b"220 mail.example ESMTP\r\n\r\n"), SendVerdict.LOST, "is not HTTP"),
        (Reply(200, b"x" * (5 << 20)), SendVerdict.LOST, "more than 4 MiB"),
    ],
)
def test_a_failure_of_the_service_ends_the_link(
    reply: Reply, verdict: SendVerdict, words: str
) -> None:
    peer, sent = WebStore(answer=lambda _asked: reply), made(2)
    with peer.running(), linked(peer) as link:
        (found,) = send(link, sent[:1])
        assert found.verdict is verdict
        assert words in found.reason
        assert found.pause == (9 if reply.status == 503 else 0)
        assert not link.is_open
        with pytest.raises(NoRoute):
            link.begin(sent[1], None)
    assert len(peer.requests) == 1


def test_what_waits_when_the_service_fails_counts_no_attempt() -> None:
    peer, goes_on, sent = WebStore(), threading.Event(), made(4)

    def answer(_asked):
        goes_on.wait(WALL)
        return Reply(500)

    peer.answer = answer
    with peer.running(), linked(peer) as link:
        first = link.begin(sent[0], None)
        procfs.until(lambda: peer.requests, what="the first request")
        others = [link.begin(one, None) for one in sent[1:]]
        goes_on.set()
        assert first.answered.result(WALL).verdict is SendVerdict.LOST
        found = {one.answered.result(WALL).verdict for one in others}
    assert found == {SendVerdict.NO_ROUTE}


def test_nobody_there() -> None:
    peer = WebStore()
    with linked(peer) as link:
        (found,) = send(link, made(1))
    assert found.verdict is SendVerdict.NO_ROUTE
    assert f"no connection with http://localhost:{peer.port}: Connection refused" in found.reason


def test_a_service_that_does_not_answer_is_given_up() -> None:
    goes_on = threading.Event()
    peer = WebStore(answer=lambda asked: goes_on.wait(WALL) and module(asked.uids))
    with peer.running(), linked(peer, Timeouts.all(0.2)) as link:
        (found,) = send(link, made(1))
        goes_on.set()
    assert found.verdict is SendVerdict.LOST
    assert "does not answer within 0.2 s" in found.reason


@pytest.mark.parametrize(
    "begin", [b"", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_service_that_answers_drop_by_drop_is_given_up(begin: bytes) -> None:
    over = threading.Event()

    class Slow(WebStore):
        def serve(self, handler) -> None:
            try:
                handler.wfile.write(begin)
                while not over.wait(0.05):
                    handler.wfile.write(b"H")
                    handler.wfile.flush()
            except OSError:
                pass

    peer = Slow()
    with peer.running(), linked(peer, Timeouts.all(0.3)) as link:
        (found,) = send(link, made(1))
        over.set()
    assert found.verdict is SendVerdict.LOST
    assert "does not answer within 0.3 s" in found.reason


def test_an_answer_before_the_request_is_read_counts() -> None:
    peer = WebStore(refuse=lambda _headers: Reply(413, closes=True))
    with peer.running(), linked(peer) as link:
        (found,) = send(link, made(1, size=20 << 20))
        assert found.verdict is SendVerdict.PARK
        assert link.is_open
        peer.refuse = lambda _headers: None
        assert send(link, made(1))[0].verdict is SendVerdict.DONE


def test_a_connection_that_was_closed_meanwhile_is_opened_anew() -> None:
    peer = WebStore(answer=lambda asked: module(asked.uids)._replace(headers=JSON | CLOSES))
    with peer.running(), linked(peer) as link:
        assert send(link, made(1))[0].verdict is SendVerdict.DONE
        peer.answer = lambda asked: module(asked.uids)
        assert send(link, made(1))[0].verdict is SendVerdict.DONE
    with linked(peer) as link:
        with peer.running():
            assert send(link, made(1))[0].verdict is SendVerdict.DONE
        with peer.running():  # it has closed the connection without a word
            assert send(link, made(1))[0].verdict is SendVerdict.DONE


JSON = {"Content-Type": "application/dicom+json"}
CLOSES = {"Connection": "close"}


def test_basic_authentication_and_a_token_that_was_replaced(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("pässword\n")
    peer = WebStore()
    with peer.running(), linked(peer, user="me", password_file=str(secret)) as link:
        send(link, made(1))
    assert peer.requests[0].headers["authorization"] == "Basic bWU6cMOkc3N3b3Jk"
    secret.write_text("old")

    def answer(asked):
        if asked.headers["authorization"] == "Bearer new":
            return module(asked.uids)
        secret.write_text("new")
        return Reply(401)

    peer.answer = answer
    with peer.running(), linked(peer, token_file=str(secret)) as link:
        assert send(link, made(1))[0].verdict is SendVerdict.DONE
    secret.unlink()
    with peer.running(), linked(peer, token_file=str(secret)) as link:
        (found,) = send(link, made(1))
    assert found.verdict is SendVerdict.NO_ROUTE
    assert found.reason == f"token_file {secret}: No such file or directory"


def secured(authority: trustme.CA, **validity: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", **validity).configure_cert(context)
    return context


def test_tls_with_a_client_certificate_and_a_certificate_that_changes(tmp_path: Path) -> None:
    authority, foreign = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = tmp_path / "own.pem"
    authority.issue_cert("gateway").private_key_and_cert_chain_pem.write_to_path(own)
    peer = WebStore(tls=secured(authority))
    authority.configure_trust(peer.tls)
    peer.tls.verify_mode = ssl.CERT_REQUIRED
    context = client_context(own, None, tmp_path / "ca.pem")
    ends: list[float] = []
    with peer.running():
        entry = entry_of(peer)
        link = StowLink(entry, StoredSecret(entry), context, QUICK, shown=ends.append)
        assert send(link, made(1))[0].verdict is SendVerdict.DONE
        link.release()
        assert len(ends) == 1
        with linked(peer, context=client_context(None, None, tmp_path / "ca.pem")) as link:
            (found,) = send(link, made(1))
        assert found.verdict in (SendVerdict.NO_ROUTE, SendVerdict.LOST)
    peer.tls = secured(foreign)
    with peer.running(), linked(peer, context=context) as link:
        (found,) = send(link, made(1))
    assert found.verdict is SendVerdict.NO_ROUTE
    assert "the peer's certificate is not valid" in found.reason
    peer.tls = secured(authority)
    with peer.running(), linked(peer, context=context, tls_name="other.example") as link:
        (found,) = send(link, made(1))
    assert "not valid for 'other.example'" in found.reason


def test_a_body_is_read_piece_by_piece_and_is_as_long_as_it_says(tmp_path: Path) -> None:
    data = instances.make(size=3 << 20)
    file = tmp_path / "one.dcm"
    file.write_bytes(b"ab" + data.data_set)
    big = Instance(wire.CT, data.uid, wire.EXPLICIT, len(data.data_set), file, 2)
    body = StowBody([big, *made(2)])
    pieces = list(body.pieces())
    assert sum(map(len, pieces)) == body.length
    assert max(map(len, pieces)) <= PIECE
    boundary = body.content_type.partition("boundary=")[2]
    found = parts_in(b"".join(pieces), boundary)
    assert [part.endswith(one.read()) for part, one in zip(found, body.instances, strict=True)]
    assert found[0].endswith(data.data_set)


def test_a_file_that_becomes_shorter_fails_alone(tmp_path: Path) -> None:
    peer, sent = WebStore(), made(3)
    file = tmp_path / "one.dcm"
    file.write_bytes(b"short")
    broken = Instance(wire.CT, "1.2.3", wire.EXPLICIT, 1000, file, 0)
    goes_on = threading.Event()

    def answer(asked):
        goes_on.wait(WALL)
        return module(asked.uids)

    peer.answer = answer
    with peer.running(), linked(peer) as link:
        begun = [link.begin(one, None) for one in (sent[0], sent[1], broken, sent[2])]
        goes_on.set()
        found = [one.answered.result(WALL) for one in begun]
    assert [one.verdict for one in found] == [
        SendVerdict.DONE,
        SendVerdict.DONE,
        SendVerdict.AGAIN,
        SendVerdict.DONE,
    ]
    assert "shorter" in found[2].reason


def test_an_abort_ends_what_is_under_way() -> None:
    peer, goes_on = WebStore(), threading.Event()
    peer.answer = lambda asked: goes_on.wait(WALL) and module(asked.uids)
    with peer.running(), linked(peer) as link:
        begun = link.begin(made(1)[0], None)
        procfs.until(lambda: peer.requests, what="the request")
        link.abort()
        assert begun.answered.result(WALL).verdict is SendVerdict.LOST
        goes_on.set()

"""Webhooks: signed, in order, at least once, tried again, left out by a stated rule."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import trustme

from gateway.metrics import Metrics
from gateway.sdk import ConfigError, testing
from tests.patience import PATIENCE, WALL
from tests.peers import procfs
from tests.workers.complete.journals import CT, line, opened, store
from workers.complete import deliverer as deliverer_module
from workers.complete import webhook as webhook_module
from workers.complete.complete_worker import worker
from workers.complete.deliverer import REFUSALS, Deliverer, NotTaken, message_of
from workers.complete.receiver_cursor import ReceiverCursor
from workers.complete.receiver_measures import measure
from workers.complete.webhook import Webhook, read_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = b"s" * 32


class Server:
    """An HTTP server that keeps what it gets, and answers what the test says."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.changed = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.changed:
                    outer.got.append((dict(self.headers.items()), body))
                    status = outer.answers.pop(0) if outer.answers else 204
                    outer.changed.notify_all()
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/hook?a=b"

    def wait_for(self, number: int) -> list[dict]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= number, WALL)
            return [json.loads(body) for _, body in self.got]

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def test_a_line_is_posted_and_its_signature_is_that_of_standard_webhooks(server):
    Webhook(server.url, SECRET, clock=lambda: 1234.5).send(7, {"gateway": "GW", "seq": 7})
    ((headers, body),) = server.got
    known = {name.lower(): value for name, value in headers.items()}
    assert json.loads(body) == {"gateway": "GW", "seq": 7}
    assert (known["webhook-id"], known["webhook-timestamp"]) == ("GW-7", "1234")
    signed = hmac.new(SECRET, b"GW-7.1234." + body, hashlib.sha256).digest()
    assert known["webhook-signature"] == "v1," + base64.b64encode(signed).decode()


@pytest.mark.parametrize(
    ("status", "is_refusal"),
    [(302, False), (400, True), (404, True), (408, False), (410, True), (429, False), (503, False)],
)
def test_only_2xx_takes_a_line(server, status, is_refusal):
    server.answers = [status]
    with pytest.raises(NotTaken, match=f"answered {status}") as raised:
        Webhook(server.url, SECRET).send(7, {"gateway": "GW"})
    assert raised.value.is_refusal is is_refusal
    assert "a=b" not in str(raised.value), "a URL may have a secret"


def test_a_server_that_is_away_is_named():
    with pytest.raises(NotTaken, match="refused"):
        Webhook("http://user:secret@127.0.0.1:1/hook", SECRET).send(7, {"gateway": "GW"})


@contextmanager
def answering(*answer: bytes) -> Iterator[str]:
    """A server that answers the first request with these bytes, and then closes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(65_536)
                for part in answer:
                    peer.sendall(part)
                if answer and not answer[-1]:
                    over.wait(WALL)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        over.set()
        thread.join(WALL)


@pytest.mark.parametrize(
    "answer",
    [
        (b"",),
        (b"\0\xff\x7f" * 300,),
        (b"HTTP/1.1 two hundred\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",),
    ],
)
def test_garbage_in_place_of_an_answer_is_not_taken_and_named(answer, monkeypatch):
    monkeypatch.setattr(webhook_module, "TIMEOUT", 0.2 * PATIENCE)
    with answering(*answer) as url, pytest.raises(NotTaken) as raised:
        Webhook(url, SECRET).send(7, {"gateway": "GW"})
    assert raised.value.is_refusal is False
    assert url.removesuffix("/hook") in str(raised.value)


def test_an_answer_without_end_is_not_read_to_it():
    with answering(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 70_000, b"") as url:
        Webhook(url, SECRET).send(7, {"gateway": "GW"})


def test_a_server_that_says_nothing_is_named(monkeypatch):
    monkeypatch.setattr(webhook_module, "TIMEOUT", 0.2 * PATIENCE)
    with answering(b"HTTP/1.1", b"") as url, pytest.raises(NotTaken, match="timed out"):
        Webhook(url, SECRET).send(7, {"gateway": "GW"})


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n"])
def test_a_server_that_answers_byte_by_byte_is_given_up(monkeypatch, begin):
    monkeypatch.setattr(webhook_module, "LONGEST", 0.1 * PATIENCE)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            peer, _ = listening.accept()
            with peer, suppress(OSError):
                peer.sendall(begin)
                while True:
                    peer.sendall(b"H")
                    over.wait(0.01)

        over = threading.Event()
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        words = "answered 500" if begin else "no whole answer within"
        with pytest.raises(NotTaken, match=words) as raised:
            Webhook(url, SECRET).send(7, {"gateway": "GW"})
        assert raised.value.is_refusal is False
        thread.join(WALL)
        assert not thread.is_alive(), "the connection is closed"


def test_a_server_with_another_certificate_is_not_told_anything(tmp_path):
    known, other = trustme.CA(), trustme.CA()
    known.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.issue_cert("127.0.0.1").configure_cert(context)
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            peer, _ = listening.accept()
            with suppress(OSError), context.wrap_socket(peer, server_side=True) as secured:
                got.append(secured.recv(65_536))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/hook"
        with pytest.raises(NotTaken, match="certificate") as raised:
            Webhook(url, SECRET, ca=str(tmp_path / "ca.pem")).send(7, {"gateway": "GW"})
        thread.join(WALL)
    assert (got, raised.value.is_refusal) == ([], False)


class Fake:
    """An index and a receiver; the receiver does what the test says."""

    name, kinds = "fake", ("complete",)

    def __init__(self, *lines) -> None:
        self.lines = list(lines)
        self.sent: list[int] = []
        self.failures: dict[int, list[NotTaken]] = {}
        self.pauses: list[float] = []

    def journal(self, after: int = 0):
        return [one for one in self.lines if one.seq > after]

    def send(self, seq: int, message: dict) -> None:
        if self.failures.get(seq):
            raise self.failures[seq].pop(0)
        self.sent.append(seq)

    def close(self) -> None:
        pass

    def deliverer(self, tmp_path, now: float = 100.0) -> Deliverer:
        cursor = ReceiverCursor(self, "fake", "me")
        return Deliverer(self, self, cursor, 1000.0, now=lambda: now, pause=self.pauses.append)


def test_a_defect_does_not_end_the_thread_and_is_told(tmp_path, caplog, monkeypatch):
    fake = Fake(line(1, "A", kind="complete"))
    fake.failures[1] = [RuntimeError("a defect")]
    deliverer = fake.deliverer(tmp_path)
    deliverer.cursor = SimpleNamespace(
        take=lambda: 0, advance=lambda _: True, keep=lambda **_: True
    )
    monkeypatch.setattr(deliverer_module, "LOOK", 0.01)
    deliverer.start()
    procfs.until(lambda: fake.sent, what="the line")
    deliverer.stop(WALL)
    assert "delivering failed" in caplog.text


def test_lines_go_in_their_order_and_only_those_that_are_wanted(tmp_path):
    fake = Fake(line(1, "A", kind="complete"), line(2, "A"), line(3, "B", kind="complete"))
    assert list(fake.deliverer(tmp_path).deliver(0)) == [1, 2, 3]
    assert fake.sent == [1, 3]


def test_what_is_not_taken_is_tried_again_at_growing_intervals(tmp_path):
    fake = Fake(line(1, "A", kind="complete"), line(2, "A", kind="complete"))
    fake.failures[1] = [NotTaken("away") for _ in range(20)]
    deliverer = fake.deliverer(tmp_path)
    assert list(deliverer.deliver(0)) == [1, 2]
    assert fake.sent == [1, 2]
    assert len(fake.pauses) == 20
    assert 0.9 <= fake.pauses[0] <= 1.1
    assert 540 <= fake.pauses[-1] <= 660
    assert deliverer.trouble == ""


def test_a_line_that_is_refused_stops_the_others_for_a_while_only(tmp_path, caplog):
    fake = Fake(line(1, "A", kind="complete"), line(2, "A", kind="complete"))
    fake.failures[1] = [NotTaken("answered 400", is_refusal=True) for _ in range(REFUSALS)]
    deliverer = fake.deliverer(tmp_path)
    assert list(deliverer.deliver(0)) == [1, 2]
    assert (fake.sent, deliverer.left_out) == ([2], 1)
    assert "seq=1 is left out: answered 400" in caplog.text


def test_a_line_that_is_too_old_is_left_out(tmp_path, caplog):
    fake = Fake(line(1, "A", kind="complete", at=100.0), line(2, "A", kind="complete", at=2000.0))
    assert list(fake.deliverer(tmp_path, now=2000.0).deliver(0)) == [1, 2]
    assert fake.sent == [2]
    assert "seq=1 is left out: it is too old" in caplog.text


def figures(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """What the metrics tell of receivers, by name without what all have in common, and labels."""
    metrics.tell()
    return {
        (one.name.removeprefix("dicom_gateway_receiver_"), *labels): value
        for one in metrics
        for labels, value in one.series.items()
    }


def test_the_metrics_tell_what_a_receiver_took_and_why_it_did_not(tmp_path):
    lines = (line(seq, "A", kind="complete", at=40.0) for seq in (1, 2, 3))
    fake, metrics, seen = Fake(*lines), Metrics(), []
    fake.failures[1] = [NotTaken("answered 503", reason="503"), NotTaken("away")]
    fake.failures[2] = [NotTaken("no", is_refusal=True, reason="400") for _ in range(REFUSALS)]
    deliverer = fake.deliverer(tmp_path)
    deliverer.pause = lambda _: seen.append(figures(metrics))
    measure(metrics, [deliverer])
    assert figures(metrics) == {
        ("sent_total", "fake"): 0,
        ("left_out_total", "fake"): 0,
        ("oldest_seconds", "fake"): 0,
    }
    assert list(deliverer.deliver(0)) == [1, 2, 3]
    assert {one["oldest_seconds", "fake"] for one in seen} == {60.0}
    assert figures(metrics) == {
        ("sent_total", "fake"): 2,
        ("left_out_total", "fake"): 1,
        ("failed_total", "fake", "503"): 1,
        ("failed_total", "fake", "no response"): 1,
        ("failed_total", "fake", "400"): REFUSALS,
        ("oldest_seconds", "fake"): 0,
    }


def test_after_a_restart_delivery_goes_on_with_the_next_line(tmp_path, server, monkeypatch):
    """The worker itself: what was not told when it ended is told by the next one."""
    monkeypatch.setattr("workers.complete.deliverer.FIRST_PAUSE", 0.01)
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    options = {
        "quiet": 0,
        "counts": False,
        "mpps": False,
        "webhooks": [{"url": server.url, "secret_file": str(secret)}],
    }
    with testing.started(worker, tmp_path, **options):
        with opened(tmp_path) as index:
            store(index, "1.2.1.1")
        (first,) = server.wait_for(1)
    assert (first["kind"], first["study_instance_uid"]) == ("complete", "1.2")
    assert (first["reason"], first["instances"]) == ("quiet", 1)
    with opened(tmp_path) as index:
        store(index, "1.2.1.2")
        store(index, "3.4.1.1", "3.4", "3.4.1")
    server.answers = [503]
    with testing.started(worker, tmp_path, **options):
        messages = server.wait_for(4)
        told = figures(worker.context.metrics)
    assert {one[0]: value for one, value in told.items() if "503" in one} == {"failed_total": 1}
    assert messages.pop(1) == messages[1]  # the attempt that failed, and the next one
    assert [one["study_instance_uid"] for one in messages[:3]] == ["1.2", "1.2", "3.4"]
    assert messages[1]["instances"] == 2
    assert len({one["seq"] for one in messages}) == len(messages)


def test_secrets(tmp_path):
    file = tmp_path / "secret"
    file.write_text(f"whsec_{base64.b64encode(SECRET).decode()}\n")
    assert read_secret(str(file)) == SECRET
    file.write_text("short")
    with pytest.raises(ConfigError, match="has 5 bytes; it needs 24"):
        read_secret(str(file))
    file.write_text("whsec_!")
    with pytest.raises(ConfigError, match="no base64"):
        read_secret(str(file))


def test_two_webhooks_of_one_url_are_refused(tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    one = {"url": "http://127.0.0.1:9/", "secret_file": str(file)}
    with (
        pytest.raises(ConfigError, match="the same url"),
        testing.started(worker, tmp_path, webhooks=[one, one]),
    ):
        pass


def test_a_message_has_uids_and_nothing_of_the_patient():
    assert message_of(line(1, "A", "1", at=0.0)) == {
        "seq": 1,
        "kind": "stored",
        "time": "1970-01-01T00:00:00.000+00:00",
        "gateway": "",
        "study_instance_uid": "A",
        "series_instance_uid": "1",
        "sop_class_uid": CT,
        "sop_instance_uid": "A.1",
    }

"""Messages over TLS: their form, and what happens when the server is away."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
import trustme

from gateway.tls import client_context
from tests.patience import WALL
from tests.workers.audit.receiver import SyslogReceiver
from workers.audit import syslog
from workers.audit.syslog import SyslogSender, frame, line
from workers.audit.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

XML = '<?xml version="1.0" encoding="UTF-8"?><AuditMessage>Müller</AuditMessage>'
RFC5424 = re.compile(
    r"<85>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z host dicom-gateway 42 DICOM\+RFC3881 - (.*)"
)


class Told:
    """What a sender tells of its troubles."""

    def __init__(self) -> None:
        self.text = ""
        self._changed = threading.Condition()

    def __call__(self, text: str) -> None:
        with self._changed:
            self.text = text
            self._changed.notify_all()

    def wait_for(self, words: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: words in self.text, WALL), self.text


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> tuple[Path, Path]:
    """The server's certificate with its key, and the authority's."""
    server, ca = tmp_path / "server.pem", tmp_path / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(server)
    authority.cert_pem.write_to_path(ca)
    return server, ca


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path / "audit", rotate_at=10**6, keep=5, durable=False, sends=True)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def send(trail: Trail, files, told: Told, monkeypatch) -> Iterator:
    monkeypatch.setattr(syslog, "FIRST_DELAY", 0.01)
    started: list[SyslogSender] = []

    def begin(port: int, **client) -> SyslogSender:
        context = client_context(ca=client.pop("ca", files[1]), **client)
        sender = SyslogSender(trail, ("127.0.0.1", port), context, told)
        sender.start()
        started.append(sender)
        return sender

    yield begin
    for sender in started:
        sender.stop(0.0)


def test_a_line_is_of_rfc_5424() -> None:
    found = RFC5424.fullmatch(line(XML, "host", 42))
    assert found is not None
    assert found[1] == XML


def test_a_frame_counts_bytes_and_has_the_byte_order_mark() -> None:
    framed = frame(line(XML, "host", 42).encode())
    length, _, message = framed.partition(b" ")
    assert int(length) == len(message)
    assert message.endswith(b" - \xef\xbb\xbf" + XML.encode())


def test_messages_arrive_whole_and_in_order(trail: Trail, files, send) -> None:
    with SyslogReceiver(files[0]) as server:
        send(server.port)
        for number in range(200):
            trail.append(line(XML.replace("Müller", f"{number}"), "host", 42))
        messages = server.wait_for(200)
    numbers = [int(re.search(r"<AuditMessage>(\d+)", one)[1]) for one in messages]  # type: ignore[index]
    assert numbers == list(range(200))
    assert RFC5424.fullmatch(messages[0])


def test_what_is_written_while_the_server_is_away_follows(trail, files, send, told) -> None:
    with SyslogReceiver(files[0]) as server:
        port = server.port
        send(port)
        trail.append(line(XML, "host", 1))
        server.wait_for(1)
    told.wait_for(f"syslog server 127.0.0.1:{port}: ")
    trail.append(line(XML, "host", 2))
    with SyslogReceiver(files[0], port=port) as server:
        assert " 2 DICOM" in server.wait_for_text(" 2 DICOM")
        assert told.text == ""


@pytest.mark.parametrize("case", ["authority", "client certificate"])
def test_a_wrong_certificate_is_told_and_nothing_is_sent(case, trail, files, send, told) -> None:
    server_file, ca = files
    trail.append(line(XML, "host", 42))
    demanded = ca if case == "client certificate" else None
    with SyslogReceiver(server_file, demanded) as server:
        if case == "authority":
            other = trail.folder / "other.pem"
            trustme.CA().cert_pem.write_to_path(other)
            send(server.port, ca=other)
            told.wait_for("the peer's certificate is not valid")
        else:
            send(server.port)
            told.wait_for("the peer demands a certificate")
        assert server.messages == []
    assert trail.waiting()


def test_a_client_certificate_is_shown(authority, trail, files, send, tmp_path) -> None:
    mine = tmp_path / "mine.pem"
    authority.issue_cert("gateway").private_key_and_cert_chain_pem.write_to_path(mine)
    trail.append(line(XML, "host", 42))
    with SyslogReceiver(files[0], files[1]) as server:
        send(server.port, certificate=mine)
        server.wait_for(1)

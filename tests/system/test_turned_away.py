"""Whoever is turned away: the operator reads why in the log, and in the audit trail."""

from __future__ import annotations

import datetime
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.conftest import running, short_folder
from tests.peers import wire
from tests.peers.raw import RawPeer
from tests.system.test_audit import wait_for
from tests.workers.audit.schema import event
from workers.users.user_file import UserFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.process import Gateway

TABLES = """
[tls]
certificate = "{folder}/own.pem"
ca = "{folder}/ca.pem"

[workers.audit]

[workers.users]
options = {{file = "{folder}/users"}}

[[policy.rules]]
name = "elsewhere"
calling = ["FAR"]
addresses = ["192.0.2.0/24"]

[[policy.rules]]
calling = ["CT1"]
called = ["GATEWAY"]
user_identity = true
"""


@dataclass(frozen=True)
class Attempt:
    """What a client does, and the words that the operator reads."""

    words: str
    certificate: str = "good"
    calling: str = "CT1"
    called: str = "GATEWAY"
    passcode: bytes = b"right"
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED


ATTEMPTS = {
    "no certificate": Attempt("the peer has shown no certificate", certificate=""),
    "an expired certificate": Attempt("certificate has expired", certificate="expired"),
    "a foreign certificate": Attempt("the peer's certificate is not valid: ", "foreign"),
    "TLS 1.1": Attempt(
        "the peer offers no version of TLS from 1.2 on", newest=ssl.TLSVersion.TLSv1_1
    ),
    "wrong address": Attempt("`addresses` lacks '127.0.0.1'", calling="FAR"),
    "wrong calling title": Attempt("add one with calling = ['STRANGER']", calling="STRANGER"),
    "wrong called title": Attempt("`called` lacks 'OTHER'", called="OTHER"),
    "wrong passcode": Attempt("user identity", passcode=b"wrong"),
}


class Site:
    """A gateway with TLS, a policy, users and an audit trail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority, foreign = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        now = datetime.datetime.now(datetime.UTC)
        past = {"not_before": now - datetime.timedelta(9), "not_after": now - datetime.timedelta(1)}
        for name, made in {
            "own": authority.issue_cert("127.0.0.1"),
            "good": authority.issue_cert("client"),
            "expired": authority.issue_cert("client", **past),
            "foreign": foreign.issue_cert("client"),
        }.items():
            made.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
        UserFile(folder / "users").set("anna", "right")
        self.tables = TABLES.format(folder=folder)

    def knock(self, gateway: Gateway, attempt: Attempt) -> bytes:
        """Return the answer to an A-ASSOCIATE-RQ; raises OSError if TLS fails."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        if attempt.certificate:
            context.load_cert_chain(self.folder / f"{attempt.certificate}.pem")
        if attempt.newest is ssl.TLSVersion.TLSv1_1:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = attempt.newest
        identity = wire.user_identity(2, b"anna", attempt.passcode)
        user = wire.user_information(wire.maximum_length(16384), wire.implementation(), identity)
        titles = {"calling": attempt.calling, "called": attempt.called}
        with RawPeer(gateway.address) as peer:
            peer.sock = context.wrap_socket(peer.sock, server_hostname="127.0.0.1")
            peer.send(wire.associate_rq(wire.context(1), user=user, **titles))
            answer = peer.recv_pdu()
        return answer if isinstance(answer, bytes) else b""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with short_folder() as folder:
        yield Site(folder)


@pytest.fixture(scope="module")
def gateway(site: Site) -> Iterator[Gateway]:
    with running(site.tables) as started:
        yield started


def test_who_is_known_gets_in(site: Site, gateway: Gateway) -> None:
    assert site.knock(gateway, Attempt(""))[:1] == b"\x02"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize("name", ATTEMPTS)
def test_the_reason_is_in_the_log_and_in_the_trail(site: Site, gateway: Gateway, name: str) -> None:
    attempt = ATTEMPTS[name]
    gateway.program.err.forget()
    with suppress(OSError):
        assert site.knock(gateway, attempt)[:1] in (b"", b"\x03")
    gateway.program.err.wait_for(re.escape(attempt.words))

    def is_alert(root) -> bool:
        text = root.findtext("EventIdentification/EventOutcomeDescription") or ""
        return event(root)[0] == "Security Alert" and attempt.words in text

    assert event(wait_for(gateway, is_alert))[2] == "4"

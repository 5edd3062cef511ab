"""Each kind of rejection: the log, the event for the page, and `policy try` say the same."""

from __future__ import annotations

import json
import re
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trustme

from gateway.supervisor import ask_running
from tests.conftest import running, short_folder
from tests.patience import WALL
from tests.peers import wire
from tests.peers.process import COMMAND, Gateway, Program, run_cli
from tests.peers.raw import RawPeer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """A rejection: the policy that causes it, and what its sentence tells to change."""

    policy: str
    change: str
    numbers: str = "1,1,3"
    drained: bool = False
    shows_certificate: bool = False


def rule(text: str) -> str:
    return f"[[policy.rules]]\n{text}\n"


KINDS = {
    "called": Kind(
        "require_called_ae_title = true",
        "set policy.require_called_ae_title = false",
        "1,1,7",
    ),
    "calling": Kind("calling_ae_titles = ['CT1']", "policy.calling_ae_titles: add 'PEER' there"),
    "no rule": Kind(rule("calling = ['CT1']"), "add one with calling = ['PEER']"),
    "rejected by a rule": Kind(rule("calling = ['PEER']\naccept = false"), "put a rule that"),
    "address": Kind(rule("addresses = ['192.0.2.0/24']"), "`addresses` lacks '127.0.0.1'"),
    "called, of a rule": Kind(rule("called = ['A', 'B']"), "`called` lacks 'OTHER'", "1,1,7"),
    "no certificate": Kind(rule("tls_subjects = ['CN=ct']"), "use TLS with one at the peer"),
    "another certificate": Kind(
        rule("tls_subjects = ['CN=ct']"), "`tls_subjects` lacks '", shows_certificate=True
    ),
    "no user": Kind(rule("user_identity = true"), "give the peer a user", "2,2,1"),
    "drained": Kind("", "`dicom-gateway resume`", "2,3,1", drained=True),
    "no required worker": Kind("require = ['EVT_ASSOCIATE']", "start one", "2,3,1"),
}


class Stage:
    """A gateway with TLS, whose policy changes, and somebody who watches its rejections."""

    def __init__(self, stack: ExitStack) -> None:
        folder = stack.enter_context(short_folder())
        authority = trustme.CA()
        ca, own = folder / "ca.pem", folder / "own.pem"
        authority.cert_pem.write_to_path(ca)
        made = authority.issue_cert("127.0.0.1", common_name="peer")
        made.private_key_and_cert_chain_pem.write_to_path(own)
        self._own: Path = own
        self._trusted = str(ca)
        self._tables = (
            f'[tls]\ncertificate = "{own}"\nca = "{ca}"\nrequire_client_certificate = false\n'
        )
        self.gateway: Gateway = stack.enter_context(running(self._tables))
        command = "events", "rejected", "--json", "--data", str(self.gateway.data)
        self.watcher = Program(COMMAND, *command)
        stack.callback(self.watcher.kill_all)
        self.watcher.err.wait_for("acceptor-0")

    def prepare(self, kind: Kind) -> None:
        text = f"{self._tables}[policy]\n{kind.policy}\n"
        (self.gateway.folder / "gateway.toml").write_text(text)
        assert "revision" in ask_running(self.gateway.data, "reload", WALL)
        ask_running(self.gateway.data, "drain" if kind.drained else "resume")
        self.gateway.program.err.forget()
        self.watcher.out.forget()

    def knock(self, kind: Kind) -> tuple[str, str]:
        """Ask for an association; return the numbers of the rejection and the peer's subject."""
        context = ssl.create_default_context(cafile=self._trusted)
        subject = ""
        if kind.shows_certificate:
            context.load_cert_chain(self._own)
            decoded = ssl._ssl._test_decode_cert(str(self._own))
            pairs = [pair for part in decoded["subject"] for pair in part]
            short = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU"}
            subject = ",".join(f"{short[key]}={value}" for key, value in pairs)
        with RawPeer(self.gateway.address) as peer:
            peer.sock = context.wrap_socket(peer.sock, server_hostname="127.0.0.1")
            peer.send(wire.associate_rq(wire.context(1), calling="PEER", called="OTHER"))
            answer = peer.recv_pdu()
            assert isinstance(answer, bytes)
            assert answer[0] == 3, answer
            return ",".join(str(number) for number in answer[7:10]), subject


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(stack)


@pytest.mark.parametrize("name", KINDS)
def test_everybody_says_the_same(stage: Stage, name: str) -> None:
    kind = KINDS[name]
    stage.prepare(kind)
    numbers, subject = stage.knock(kind)
    assert numbers == kind.numbers
    event = json.loads(stage.watcher.out.wait_for(r"\{.*EVT_REJECTED.*\}").group())
    why = event["body"]["why"]
    assert kind.change in why
    stage.gateway.program.err.wait_for(re.escape(f"A-ASSOCIATE-RJ ({numbers}): {why}"))
    tried = run_cli(
        *("policy", "try", "--calling", "PEER", "--called", "OTHER", "--from", "127.0.0.1"),
        *("--tls-subject", subject, "--data", stage.gateway.data),
        *("--config", stage.gateway.folder / "gateway.toml"),
    )
    assert tried.popen.returncode == 1
    assert tried.out.lines[0] == why
    assert tried.out.lines[1].startswith(f"A-ASSOCIATE-RJ ({numbers}): ")

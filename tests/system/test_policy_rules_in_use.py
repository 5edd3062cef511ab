"""Rules against real peers: the log says the sentence that `policy try` says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.conftest import running
from tests.peers.process import Gateway, run_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = """
[[policy.rules]]
name = "elsewhere"
calling = ["CT*"]
addresses = ["192.0.2.0/24"]

[[policy.rules]]
calling = ["BAD"]
accept = false

[[policy.rules]]
name = "here"
calling = ["ECHO", "OTHER"]
called = ["GATEWAY", "SECOND"]
services = ["verification"]

[[policy.rules]]
calling = ["FIND"]
services = ["C-FIND"]

[[policy.rules]]
calling = ["USER"]
user_identity = true

[[policy.rules]]
calling = ["SEALED"]
tls_subjects = ["CN=sealed"]
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running(RULES) as started:
        yield started


def echo(gateway: Gateway, calling: str, called: str) -> int:
    host, port = gateway.address
    return run_cli("echo", host, port, "--aet", calling, "--aec", called).wait()


@pytest.mark.parametrize(
    ("calling", "called"),
    [
        ("CT1", "GATEWAY"),
        ("BAD", "GATEWAY"),
        ("OTHER", "THIRD"),
        ("STRANGER", "GATEWAY"),
        ("USER", "GATEWAY"),
        ("SEALED", "GATEWAY"),
    ],
)
def test_a_rejection_is_explained_alike(gateway: Gateway, calling: str, called: str) -> None:
    assert echo(gateway, calling, called) != 0
    tried = run_cli(
        *("policy", "try", "--calling", calling, "--called", called, "--from", "127.0.0.1"),
        *("--config", gateway.folder / "gateway.toml", "--data", gateway.data),
    )
    assert tried.wait() == 1
    sentence, rejection, *_ = tried.out.lines
    numbers = rejection.partition(":")[0]
    gateway.program.err.wait_for(re.escape(f"{numbers}: {sentence}"))


def test_a_peer_that_is_let_in_may_do_what_its_rule_says(gateway: Gateway) -> None:
    assert echo(gateway, "ECHO", "GATEWAY") == 0
    assert echo(gateway, "OTHER", "SECOND") == 0
    host, port = gateway.address
    found = run_cli("find", host, port, "-k", "PatientID=1", "--aet", "FIND", "--aec", "GATEWAY")
    assert found.wait() == 0, found.report()
    refused = run_cli("find", host, port, "-k", "PatientID=1", "--aet", "ECHO", "--aec", "GATEWAY")
    assert refused.wait() == 1
    assert echo(gateway, "FIND", "GATEWAY") == 1

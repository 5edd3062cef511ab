"""Gateways that share an index know each other, and refuse to be two under one name."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from gateway.errors import ConfigError, GatewayError
from gateway.settings import ArchiveSettings
from gateway.tls_settings import TlsSettings
from workers.archive.gateways import SILENT, SharedIndexMember, identity_of, parse_address

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def index(postgres_schema):
    from workers.archive.index.postgres import PostgresIndex

    with PostgresIndex(postgres_schema) as index:
        yield index


def member(index, data: Path, holder: str = "ONE", *, host: str = "0.0.0.0", **settings: str):
    def gateway_status():
        return {"address": [host, 11112], "ae_title": f"{holder}AE"}

    data.mkdir(exist_ok=True)
    context = SimpleNamespace(
        data_dir=data, gateway_status=gateway_status, tls=TlsSettings(), troubles={}
    )
    return SharedIndexMember(index, ArchiveSettings(dsn="x", holder=holder, **settings), context)


def test_a_gateway_says_where_it_is(index, tmp_path):
    member(index, tmp_path / "one").enter()
    member(index, tmp_path / "two", "TWO", host="192.0.2.7").enter()
    found = index.gateways()
    one, two = found["ONE"], found["TWO"]
    assert (one.ae_title, one.address, one.port, one.tls) == ("ONEAE", "127.0.0.1", 11112, False)
    assert (two.address, two.port) == ("192.0.2.7", 11112)
    assert 0 <= one.age < SILENT


@pytest.mark.parametrize(
    ("text", "address"),
    [("host", ("host", 11112)), ("host:7", ("host", 7)), ("[::1]:7", ("::1", 7))],
)
def test_or_what_its_settings_say(index, tmp_path, text, address):
    member(index, tmp_path / "one", fetch_address=text).enter()
    found = index.gateways()["ONE"]
    assert (found.address, found.port) == address


@pytest.mark.parametrize(
    "text",
    ["host:", ":7", "host:99999", "host:0", "::1", "a b", "a b:7", "[host]:7", "[fe80::1%eth0]:7"],
)
def test_an_address_that_is_none(text):
    with pytest.raises(ConfigError, match=r"archive\.fetch_address"):
        parse_address(text)


def test_a_gateway_that_is_not_listening_yet_is_known_without_a_port(index, tmp_path, monkeypatch):
    one = member(index, tmp_path / "one")

    def no_answer():
        raise GatewayError("no answer")

    monkeypatch.setattr(one._context, "gateway_status", no_answer)
    one.enter()
    assert index.gateways()["ONE"].port == 0


def test_two_with_one_name(index, tmp_path):
    first = member(index, tmp_path / "one")
    first.enter()
    with pytest.raises(
        ConfigError, match=r"archive\.holder: another gateway, at 127.* as ONE: give"
    ):
        member(index, tmp_path / "other").enter()
    # the same one, after it was killed
    member(index, tmp_path / "one").enter()
    assert first.beat() == ""


def test_a_name_that_nobody_uses_any_more_can_be_taken(index, tmp_path):
    first = member(index, tmp_path / "one")
    first.enter()
    with index._reading() as execute:
        execute("UPDATE gateway SET heartbeat = heartbeat - ?", (SILENT,))
    member(index, tmp_path / "other").enter()
    assert "ONE too: see archive.holder" in first.beat()
    with pytest.raises(ConfigError, match=r"archive\.holder: another gateway"):
        first.enter()


def test_clocks_that_differ(index, tmp_path, monkeypatch):
    clock = time.time()
    monkeypatch.setattr(index, "clock", lambda: clock + 60)
    with pytest.raises(
        ConfigError, match=r"clock differs from the database's by (59|60) s: set both"
    ):
        member(index, tmp_path / "one").enter()
    assert index.gateways() == {}


def test_an_answer_that_takes_long_is_no_wrong_clock(index, tmp_path, monkeypatch):
    now = iter([100.0, 130.0])
    monkeypatch.setattr(time, "time", lambda: next(now))
    monkeypatch.setattr(index, "clock", lambda: 101.0)
    member(index, tmp_path / "one").enter()
    assert "ONE" in index.gateways()


def test_the_identity_stays(tmp_path):
    assert identity_of(tmp_path) == identity_of(tmp_path)

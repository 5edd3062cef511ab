"""Sending on over TLS, slowly, and what another host has: three ways in which it can be far."""

from __future__ import annotations

import datetime
import ssl
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest
import trustme

from gateway.supervisor import ask_running
from tests.archive import postgres
from tests.conftest import short_folder
from tests.peers import instances, procfs
from tests.peers.destination import Destination
from tests.system.test_forward import (
    QUICK,
    command,
    rows_of,
    running,
    status_of,
    store,
    wait_empty,
)

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.datetime.now(datetime.UTC)


def server_context(authority: trustme.CA, days: int = 90) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = authority.issue_cert(
        "localhost",
        not_before=NOW - datetime.timedelta(100),
        not_after=NOW + datetime.timedelta(days),
    )
    made.configure_cert(context)
    return context


def to_pacs(pacs: Destination, *lines: str) -> str:
    more = "\n".join(lines)
    place = f'[destinations.PACS]\nhost = "localhost"\nport = {pacs.port}\n{more}\n'
    return f'{QUICK}{place}[[routes]]\ndestinations = ["PACS"]\n'


def certificate_end(gateway) -> float:
    told = ask_running(gateway.data, "status")["workers"]
    facts = [one["outbox"] for w in told for one in w["processes"] if "outbox" in one]
    return facts[0]["destinations"].get("PACS", {}).get("certificate_end", 0.0)


def test_a_tls_destination_whose_certificate_is_right_expired_or_foreign(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pacs, config = Destination(), ("tls = true", f'tls_ca = "{tmp_path / "ca.pem"}"')
    with running(to_pacs(pacs, *config)) as gateway:
        pacs.tls = server_context(authority, 30)
        with pacs.running():
            store(gateway, [first := instances.make()])
            assert pacs.wait_for(1) == [first.uid]
            wait_empty(gateway)
        end = procfs.until(lambda: certificate_end(gateway), what="the certificate's end")
        assert abs(end - (NOW + datetime.timedelta(30)).timestamp()) < 2
        gateway.program.err.wait_for("called='PACS' ended=")  # what comes next wants a new one
        store(gateway, [second := instances.make()])
        for context, words in (
            (server_context(authority, -1), "certificate has expired"),
            (server_context(trustme.CA()), "unable to get local issuer certificate"),
        ):
            pacs.tls = context
            with pacs.running():
                told = procfs.until(
                    lambda words=words: text if words in (text := status_of(gateway)) else "",
                    what=words,
                )
                assert "PACS: failing: no association with" in told
                assert "the peer's certificate is not valid" in told
            (row,) = rows_of(gateway)
            assert (row["state"], row["attempts"]) == ("waiting", 0)
        pacs.tls = server_context(authority)
        with pacs.running():
            assert pacs.wait_for(2) == [first.uid, second.uid]
            wait_empty(gateway)


def test_no_more_bytes_a_second_than_the_bandwidth() -> None:
    pacs, sent = Destination(), instances.many(8, size=20_000)
    rate = len(sent[0].data_set) * 10
    with pacs.running(), running(to_pacs(pacs, f"bandwidth = {rate}")) as gateway:
        began = time.monotonic()
        store(gateway, sent)
        pacs.wait_for(8)
        last = max(times[0] for times in pacs.got.values())
        assert last - began >= 7 * 0.1  # a slow machine makes it longer
        wait_empty(gateway)


def of_host(title: str, dsn: str, more: str) -> str:
    return f'[gateway]\nae_title = "{title}"\n[archive]\ndsn = "{dsn}"\n{more}'


@pytest.mark.skipif(bool(postgres.absent()), reason=postgres.absent())
def test_what_another_host_holds_is_fetched_and_sent() -> None:
    pacs, sent = Destination(), instances.many(3)
    known = f'[destinations]\nPACS = "{pacs.place}"\n'  # without a route: it sends nothing itself
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        folder.chmod(0o755)
        dsn = stack.enter_context(postgres.server(folder / "pg"))
        stack.enter_context(pacs.running())
        holder = stack.enter_context(running(of_host("HOLDER", dsn, known)))
        store(holder, sent)
        for one in sent:
            assert "1 are to be sent" in command(holder, "outbox", "send", one.uid, "--to", "PACS")
        with psycopg.connect(dsn, autocommit=True) as database:  # as if a minute had passed
            database.execute("UPDATE outbox SET due = due - 120")
        sender = stack.enter_context(running(of_host("SENDER", dsn, to_pacs(pacs))))
        assert set(pacs.wait_for(3)) == {one.uid for one in sent}
        assert pacs.data_sets == {one.uid: one.data_set for one in sent}
        wait_empty(sender)
        assert not list((sender.data / "archive").rglob("*.dcm"))

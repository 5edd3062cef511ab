"""The page of destinations: what waits and why, suspend, resume, send again and drop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.peers import instances, procfs
from tests.peers.browser import Browser
from tests.peers.web_store import WebStore, module
from tests.system.test_forward import rows_of, running, store
from tests.system.test_forward_stow import to
from tests.system.test_web import CONFIG, FIRST_OF, PAGE, do, messages, operator, searched

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.process import Gateway


@pytest.fixture
def peer() -> WebStore:
    return WebStore()


@pytest.fixture
def gateway(peer: WebStore) -> Iterator[Gateway]:
    with running(f"{CONFIG}{to(peer.url)}") as gateway:
        yield gateway


@pytest.fixture
def page(gateway: Gateway) -> re.Match:
    return gateway.program.out.wait_for(PAGE)


def row_that(page: re.Match, wanted) -> dict:
    """The row of the destination once it is as wanted."""
    live = messages(operator(page), page, "/live/destinations")
    row = next(row for told in live for row in told["rows"] if wanted(row))
    live.close()
    return row


def test_a_queue_is_seen_suspended_sent_again_and_dropped(
    gateway: Gateway, page: re.Match, peer: WebStore
) -> None:
    opener, sent = operator(page), instances.many(3)
    assert do(opener, page, "suspend-destination", destination="WEB") == {}
    row_that(page, lambda row: row["state"] == "suspended")
    store(gateway, sent)
    row = row_that(page, lambda row: row["waiting"] == 3)
    assert (row["name"], row["place"], row["error"]) == ("WEB", peer.url, "")
    assert do(opener, page, "resume-destination", destination="WEB") == {}
    row = row_that(page, lambda row: row["error"])
    assert "Connection refused" in row["error"]
    assert row["state"].startswith("failing: ")
    bad = sent[1].uid
    peer.answer = lambda asked: module(
        [uid for uid in asked.uids if uid != bad], {bad: 0xA900} if bad in asked.uids else {}
    )
    with peer.running():
        row_that(page, lambda row: (row["waiting"], row["parked"]) == (0, 1))
        found = searched(opener, page, "queue?destination=WEB&state=parked")
        (row,) = found["rows"]
        assert (row["uid"], row["state"], row["attempts"]) == (bad, "parked", 0)
        assert "A900" in row["reason"]
        again = {"destination": "WEB", "number": row["number"]}
        assert do(opener, page, "retry-queued", **again) == {}
        procfs.until(lambda: len(peer.times[bad]) > 1, what="another attempt")
        row_that(page, lambda row: row["parked"] == 1)
        assert do(opener, page, "drop-queued", destination="WEB") == {}
        procfs.until(lambda: rows_of(gateway) == [], what="an empty outbox")
    gateway.program.err.wait_for("session=[0-9a-f]{8} host=.* asks for: drop-queued 'WEB'")


@pytest.mark.peer("chromium")
def test_a_browser_shows_destinations(
    gateway: Gateway, page: re.Match, peer: WebStore, tmp_path: Path
) -> None:
    sent = instances.many(2)
    store(gateway, sent)
    with Browser(tmp_path) as browser:
        browser.open(page["url"])
        browser.wait_for("document.querySelector('#state').textContent !== 'Loading'")
        browser.open(f"http://{page['place']}/destinations")
        for text in ("instances waiting: 2", "Connection refused", peer.url, "failing"):
            browser.wait_for(f"document.body.innerText.includes({json.dumps(text)})")
        browser.run("window.confirm = () => true")
        browser.run(f"{FIRST_OF}('Show').click()")
        browser.wait_for(f"document.body.innerText.includes({json.dumps(sent[0].uid)})")
        browser.run(f"{FIRST_OF}('Drop').click()")
        browser.wait_for(f"!document.body.innerText.includes({json.dumps(sent[0].uid)})")
        browser.run(f"{FIRST_OF}('Suspend').click()")
        browser.wait_for(f"{FIRST_OF}('Resume') !== undefined")
        assert not browser.errors

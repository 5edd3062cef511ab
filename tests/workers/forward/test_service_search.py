"""What a DICOMweb service is asked after it took instances, and what its answers mean."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.requestor import Timeouts
from gateway.sdk.move.routes import Routes
from gateway.settings import Destination
from tests.archive.conftest import entry
from tests.patience import WALL
from tests.peers.web_store import Reply, WebStore, matches, searched_uids
from workers.archive.outbox_rows import QueuedInstance, SentUids
from workers.forward.confirmation import NotAsked
from workers.forward.destination_links import DestinationLinks
from workers.forward.http_connection import NoHttpAnswer
from workers.forward.service_search import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JSON = {"Content-Type": "application/dicom+json"}


@contextmanager
def links_to(peer: WebStore, **more: object) -> Iterator[DestinationLinks]:
    entry = Destination("localhost", peer.port, url=peer.url, **more)  # type: ignore[arg-type]
    routes = Routes({"WEB": entry}, timeouts=Timeouts.all(WALL))
    yield DestinationLinks(routes, "US", lambda: pytest.fail("nothing is to be transcoded"))
    routes.close()


def row(uid: str, study: str = "1.3", series: str = "1.2") -> QueuedInstance:
    return QueuedInstance(entry(uid), "WEB", "all", study, series)


def rows(*uids: str) -> list[QueuedInstance]:
    return [row(uid) for uid in uids]


def search(peer: WebStore, asked: list[QueuedInstance], **more: object) -> set[str]:
    with peer.running(), links_to(peer, **more) as links:
        return links.search("WEB", asked)


def having(*kept: str) -> WebStore:
    """A service that keeps these instances."""
    peer = WebStore()
    peer.find = lambda path: matches(*(uid for uid in searched_uids(path) if uid in kept))
    return peer


def test_a_series_is_searched_for_all_of_its_instances_at_once() -> None:
    peer = having("1.1", "1.5")
    changed = row("1.1")
    changed.sent_as = SentUids("2.1", "2.2", "2.3")
    assert search(peer, [*rows("1.1", "1.5"), changed]) == {"1.1", "1.5"}
    assert peer.searches == [
        "/dicom-web/studies/1.3/series/1.2/instances?SOPInstanceUID=1.1,1.5",
        "/dicom-web/studies/2.3/series/2.2/instances?SOPInstanceUID=2.1",
    ]


def test_what_is_not_known_of_an_instance_is_not_asked_for() -> None:
    peer = having("1.1", "1.4")
    assert search(peer, [row("1.1", series=""), row("1.4", study="")]) == {"1.1", "1.4"}
    assert peer.searches == [
        "/dicom-web/studies/1.3/instances?SOPInstanceUID=1.1",
        "/dicom-web/instances?SOPInstanceUID=1.4",
    ]


def test_uids_of_peers_do_not_change_what_is_asked() -> None:
    peer = having("1&limit=0")
    assert search(peer, [row("1&limit=0", study="../1", series="a/b?c#d")]) == {"1&limit=0"}
    assert peer.searches == [
        "/dicom-web/studies/..%2F1/series/a%2Fb%3Fc%23d/instances?SOPInstanceUID=1%26limit%3D0"
    ]


def test_many_are_asked_for_in_several_searches() -> None:
    uids = [f"1.{n}" for n in range(2 * AT_ONCE + 1)]
    peer = having(*uids)
    assert search(peer, rows(*uids)) == set(uids)
    assert [len(searched_uids(path)) for path in peer.searches] == [AT_ONCE, AT_ONCE, 1]


@pytest.mark.parametrize("of_a_list", [matches(), matches("1.9")])
def test_a_service_that_knows_no_lists_is_asked_for_each(of_a_list: Reply) -> None:
    peer = WebStore()

    def find(path: str) -> Reply:
        uids = searched_uids(path)
        return of_a_list if len(uids) > 1 else matches(*(uid for uid in uids if uid != "1.2"))

    peer.find = find
    assert search(peer, rows("1.1", "1.2", "1.3")) & {"1.1", "1.2", "1.3"} == {"1.1", "1.3"}
    assert len(peer.searches) == 4


def test_a_404_means_that_the_study_is_not_there() -> None:
    peer = WebStore()
    peer.find = lambda path: Reply(404) if "/instances" in path else matches()
    assert search(peer, rows("1.1")) == set()
    assert peer.searches[1:] == ["/dicom-web/studies?StudyInstanceUID=1.3&limit=1"]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(404), "the destination answered HTTP 404: it cannot be searched (QIDO-RS)"),
        (Reply(400), "the destination answered HTTP 400 to a search (QIDO-RS)"),
        (Reply(401), "the destination answered HTTP 401 to a search (QIDO-RS)"),
        (Reply(302, b"", {"Location": "/"}), "the destination answered HTTP 302 to a search"),
        (Reply(503), "the destination answered HTTP 503 to a search (QIDO-RS)"),
        (Reply(200, b"<html>", {"Content-Type": "text/html"}), "with text/html and no JSON"),
        (Reply(200, b"[" * 100_000, JSON), "with application/dicom+json and no JSON"),
        (Reply(200), "the destination answered a search with nothing and no JSON"),
        (Reply(200, b"{}", JSON), ""),
        (Reply(200, b"[7]", JSON), "is not the DICOM JSON model"),
        (Reply(200, b"7", JSON), "is not the DICOM JSON model"),
        (Reply(200, b'[{"00080018": {"Value": 7}}]', JSON), "is not the DICOM JSON model"),
        (Reply(200, b'[{"00080018": {}}]', JSON), "is not the DICOM JSON model"),
    ],
)
def test_a_service_that_does_not_answer_the_question_was_not_asked(reply: Reply, text: str) -> None:
    peer = WebStore(find=lambda _path: reply)
    if not text:  # nothing was found
        assert search(peer, rows("1.1")) == set()
        return
    with pytest.raises(NotAsked) as caught:
        search(peer, rows("1.1"))
    assert text in str(caught.value)


def test_nobody_there_and_what_is_no_http() -> None:
    peer = WebStore()
    with links_to(peer) as links, pytest.raises(NoHttpAnswer, match="Connection refused"):
        links.search("WEB", rows("1.1"))
    peer.find = lambda _path: Reply(-1, b"220 mail.example ESMTP\r\n\r\n")
    with pytest.raises(NoHttpAnswer, match="is not HTTP"):
        search(peer, rows("1.1"))


def test_it_is_searched_with_the_credentials_of_the_destination(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("old")
    peer, asked = having("1.1"), []

    class Guarded(WebStore):
        def authorize(self, value: str) -> Reply | None:
            asked.append(value)
            if value == "Bearer new":
                return None
            secret.write_text("new")
            return Reply(401)

    guarded = Guarded(find=peer.find)
    assert search(guarded, rows("1.1"), token_file=str(secret)) == {"1.1"}
    assert asked == ["Bearer old", "Bearer new"]

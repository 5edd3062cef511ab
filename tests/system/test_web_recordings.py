"""Recordings that are started on the page: by title, of one association, of rejected ones."""

from __future__ import annotations

import json
import urllib.error
from typing import TYPE_CHECKING

import pytest

from gateway.cli.recorded_events import EventReader
from gateway.cli.recording import ACCEPTOR, REQUESTOR, Recording, read
from tests.conftest import running
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.raw import RawPeer, association
from tests.peers.sender import store_all
from tests.system.test_web import CONFIG, PAGE, do, messages, operator

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.process import Gateway


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running(f"[policy]\nrequire_called_ae_title = true\n{CONFIG}") as started:
        yield started


@pytest.fixture(scope="module")
def page(gateway: Gateway) -> re.Match:
    return gateway.program.out.wait_for(PAGE)


def rows(page: re.Match) -> list[dict]:
    live = messages(operator(page), page, "/live/recordings")
    told = next(live)["rows"]
    live.close()
    return told


def latest_over(page: re.Match) -> dict:
    return procfs.until(
        lambda: row if not (row := rows(page)[0])["is_running"] else None, what="its end"
    )


def downloaded(page: re.Match, name: str, folder: Path) -> Recording:
    with operator(page).open(f"http://{page['place']}/recordings/{name}", timeout=WALL) as answer:
        assert f'filename="{name}"' in answer.headers["Content-Disposition"]
        (folder / name).write_bytes(answer.read())
    return read(folder / name)


def said(recording: Recording) -> list[str]:
    readers = {REQUESTOR: EventReader(), ACCEPTOR: EventReader()}
    parts = [part for one in recording.connections for part in one.parts]
    return [e.text for p in parts if p.data is not None for e in readers[p.sender].feed(p.data)]


def test_a_peer_is_recorded_without_its_data_sets(
    gateway: Gateway, page: re.Match, tmp_path: Path
) -> None:
    opener, sent = operator(page), instances.many(1)
    assert do(opener, page, "record", calling="CT*", count=1) == {}
    (row,) = rows(page)
    assert (row["is_running"], row["is_redacted"]) == (True, True)
    assert row["what"] == "calling AE title CT*, 1 of them"
    store_all(gateway.address, sent, calling="MR1")
    store_all(gateway.address, sent, calling="CT1")
    row = latest_over(page)
    recording = downloaded(page, row["name"], tmp_path)
    assert len(recording.connections) == 1
    assert said(recording)[0].startswith("A-ASSOCIATE-RQ CT1 to GATEWAY")
    assert "C-STORE-RSP status 0000" in " ".join(said(recording))
    assert sent[0].data_set[-300:] not in (tmp_path / row["name"]).read_bytes()
    whole = b"".join(part.data or b"" for part in recording.connections[0].parts)
    assert sent[0].data_set[-300:] not in whole
    assert do(opener, page, "delete-recording", name=row["name"]) == {}
    assert rows(page) == []
    with pytest.raises(urllib.error.HTTPError, match="404"):
        downloaded(page, row["name"], tmp_path)


def test_the_next_rejected_association_is_recorded(
    gateway: Gateway, page: re.Match, tmp_path: Path
) -> None:
    opener = operator(page)
    assert do(opener, page, "record", address="127.0.0.1", rejected=True, count=1) == {}
    with association(gateway.address, wire.context(1, wire.VERIFICATION), called="GATEWAY"):
        pass
    with RawPeer(gateway.address) as peer:
        peer.send(wire.associate_rq(wire.context(1), called="WRONG", calling="LOST"))
        assert peer.recv_pdu()[:1] == b"\x03"
    recording = downloaded(page, latest_over(page)["name"], tmp_path)
    told = said(recording)
    assert told[0].startswith("A-ASSOCIATE-RQ LOST to WRONG")
    assert told[1] == "A-ASSOCIATE-RJ (1,1,7)"
    assert len(told) == 2


def test_one_association_is_recorded_from_now_on_until_it_is_stopped(
    gateway: Gateway, page: re.Match, tmp_path: Path
) -> None:
    opener = operator(page)
    context = wire.context(1, wire.VERIFICATION)
    with association(gateway.address, context, calling="ONE", called="GATEWAY") as peer:
        live = messages(opener, page, "/live/associations?search=one")
        (found,) = next(told["rows"] for told in live if told["rows"])
        live.close()
        assert do(opener, page, "record", association=found["id"], redact=False) == {}
        assert rows(page)[0]["is_running"], "the latest is the first, however soon it follows"
        assert peer.echo().status == 0
        with association(gateway.address, context, calling="TWO", called="GATEWAY") as other:
            assert other.echo().status == 0
        row = procfs.until(
            lambda: row if (row := rows(page)[0])["size"] > 400 else None, what="an echo"
        )
        assert not row["is_redacted"]
        assert do(opener, page, "delete-recording", name=row["name"])["status"] == 503
        assert do(opener, page, "stop-recording", name=row["name"]) == {}
    told = said(downloaded(page, row["name"], tmp_path))
    assert [one.split()[0] for one in told] == ["C-ECHO-RQ", "C-ECHO-RSP"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"calling": "A\nB"}, "calling: that cannot be one"),
        ({"calling": "A" * 17}, "calling: that cannot be one"),
        ({"address": "--data=/"}, "address: that cannot be one"),
        ({"association": "../x"}, "association: that cannot be one"),
        ({"count": "many"}, "count: it must be a number"),
        ({"count": True}, "count: it must be a number"),
    ],
)
def test_what_cannot_be_recorded(page: re.Match, wanted: dict, words: str) -> None:
    told = do(operator(page), page, "record", **wanted)
    assert words in json.dumps(told)
    told = do(operator(page), page, "stop-recording", name="../../etc/passwd")
    assert told["error"] == "no recording of that name goes on"
    told = do(operator(page), page, "delete-recording", name="../../etc/passwd")
    assert told["error"] == "no recording of that name is over"

"""The rows of open associations, and the records of one that is traced."""

from __future__ import annotations

from typing import Any

from gateway.acceptor.overview import MOST, overview, waits_for
from gateway.acceptor.tracing import MOST as MOST_RECORDS
from gateway.acceptor.tracing import TOPICS, TraceRecorder
from gateway.dimse.message import CEchoRQ
from gateway.events import CATALOGUE
from tests.association.support import Pair, requestor, run, until
from tests.association.test_engine import echo, invoke
from tests.peers import wire


def with_pair(work: Any, **how: Any) -> None:
    async def main() -> None:
        await work(await Pair(**how).open())

    run(main)


def test_a_row_says_who_where_how_much_and_what_it_waits_for() -> None:
    async def work(pair: Pair) -> None:
        await echo(pair.asking)
        engine = pair.serving.engine
        told = overview([engine], engine.established_at + 5)
        (row,) = told["associations"]
        assert (told["total"], row["id"], row["state"]) == (1, engine.id, "Sta6")
        assert (row["seconds"], row["messages"], row["phase"]) == (5, 1, "established")
        assert row["received"] == engine.transport.received > 0
        assert row["waits_for"] == "the peer's next request"

    with_pair(work)


def test_what_is_waited_for() -> None:
    async def work(pair: Pair) -> None:
        asking, serving = pair.asking.engine, pair.serving.engine
        operation = await invoke(pair.asking, wire.VERIFICATION, CEchoRQ(1))
        assert waits_for(asking) == "the peer's response"
        await until(lambda: pair.serving.performs)
        (held,) = pair.serving.performs
        assert waits_for(serving) == "a worker, for 1 request"
        held.respond()
        await operation.final()
        assert waits_for(serving) == "the peer's next request"
        await asking.release()
        assert waits_for(serving) == "the peer, to close the connection"

    with_pair(work, answer=lambda _: None)


def test_before_the_request() -> None:
    async def main() -> None:
        assert waits_for(requestor().engine) == "the peer's A-ASSOCIATE-RQ"

    run(main)


def test_the_latest_are_shown_and_all_are_counted() -> None:
    async def work(pair: Pair) -> None:
        engine = pair.serving.engine
        told = overview([pair.asking.engine, *[engine] * MOST], engine.established_at)
        assert told["total"] == MOST + 1
        assert {row["id"] for row in told["associations"]} == {engine.id}

    with_pair(work)


def test_what_passes_over_an_association_is_recorded_without_its_contents() -> None:
    recorder = TraceRecorder()

    async def work(pair: Pair) -> None:
        pair.serving.engine.watch(TOPICS)
        await echo(pair.asking)
        for name, body in pair.serving.published:
            recorder.take(CATALOGUE[name], body)

    with_pair(work)
    records = recorder.collected()["records"]
    assert [record["text"] for record in records] == [
        "Sta6 Evt10 DT-2 Sta6",
        "P-DATA-TF",
        "C-ECHO-RQ 1",
        "Sta6 Evt9 DT-1 Sta6",
        "P-DATA-TF",
        "C-ECHO-RSP 1, status 0000",
    ]
    assert records[0]["state"] == "Sta6"
    assert records[1]["length"] > 12
    assert recorder.collected() == {"records": [], "left_out": 0}


def test_records_are_bounded() -> None:
    recorder = TraceRecorder()
    body = {"current_state": "Sta6", "fsm_event": "Evt10", "action": "DT-2", "next_state": "Sta6"}
    for _ in range(MOST_RECORDS + 3):
        recorder.take(CATALOGUE["EVT_FSM_TRANSITION"], body)
    recorder.take(CATALOGUE["EVT_METRICS"], {})
    told = recorder.collected()
    assert (len(told["records"]), told["left_out"]) == (MOST_RECORDS, 3)

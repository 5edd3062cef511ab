"""Loads against a server whose behaviour is known."""

from __future__ import annotations

import pytest

from gateway.errors import ConfigError
from gateway.load import objectives
from gateway.load.arguments import ramp
from gateway.load.histogram import PRECISION
from gateway.load.load_plan import Rate
from tests.load.fake import ABORT, SILENT, Script, serving
from tests.patience import PATIENCE, WALL
from tests.peers.process import run_cli


def test_every_operation_is_counted_once(load) -> None:
    with serving() as server:
        result = load(server.port, count=300, associations=4)
        totals, done = result.totals, server.done
    assert done.operations == 300
    assert totals.offered == totals.started == totals.answered == totals.acknowledged == 300
    assert totals.errors == 0
    assert totals.statuses == {"success (status 0x0000)": 300}
    assert totals.latency.count == totals.service.count == 300
    assert totals.associations == done.associations == done.released == 4
    assert result.status == 0
    assert sum(one.answered for one in result.slices.values()) == 300
    assert len(result.children) == 1
    assert result.children[0].cpu > 0


def test_percentiles_are_those_of_the_server(load) -> None:
    long = 0.2 * PATIENCE
    delays = [long if number % 10 == 9 else 0.01 for number in range(200)]
    with serving(Script(delay=lambda number: delays[number])) as server:
        latency = load(server.port, count=200, associations=4).totals.latency
    assert 0.01 * (1 - PRECISION) <= latency.percentile(50) <= latency.percentile(88) < long
    assert long * (1 - PRECISION) <= latency.percentile(95) <= latency.largest


def test_a_server_that_freezes_shows_in_the_percentiles_of_an_open_loop(load) -> None:
    freeze = Script(freeze=(50, 2.0))
    with serving(freeze) as server:
        result = load(server.port, rate=Rate(100, 100, 3.0), duration=3.0, associations=10)
    totals = result.totals
    assert totals.answered == totals.offered == 300
    # 200 operations were due while it stood still, and each waited for the rest of that time.
    assert totals.latency.percentile(99) > 1.8
    assert totals.latency.percentile(50) > 0.3
    # What the connections saw is another story: ten operations were in flight, no more.
    assert totals.service.percentile(50) < totals.latency.percentile(50)
    assert sum(count for at, count in totals.service.rows() if at > 1.8) <= 10


@pytest.mark.parametrize("poisson", [False, True])
def test_an_open_loop_offers_its_rate_whatever_the_processes(load, poisson) -> None:
    with serving() as server:
        rate = Rate(200, 200, 1.0)
        result = load(
            server.port, rate=rate, duration=1.0, associations=4, processes=2, poisson=poisson
        )
    assert len(result.children) == 2
    assert result.totals.answered == result.totals.offered == server.done.operations
    if poisson:
        assert 120 < result.totals.offered < 280
    else:
        assert result.totals.offered == 200


def test_statuses_are_told_in_words(load) -> None:
    statuses = {0: 0xA700, 1: 0xB000, 2: 0x0122}
    with serving(Script(status=lambda number: statuses.get(number, 0))) as server:
        totals = load(server.port, operation="store", size=1000, count=20).totals
    assert totals.acknowledged == 18
    assert totals.refused == totals.errors == 2
    assert {text.split(" (")[0]: count for text, count in totals.statuses.items()} == {
        "failure: Refused: out of resources": 1,
        "warning: Stored: data elements were coerced": 1,
        "failure: Refused: SOP Class not supported": 1,
        "success": 17,
    }


def test_an_association_that_is_aborted_is_opened_again(load) -> None:
    with serving(Script(status=lambda number: ABORT if number == 5 else 0)) as server:
        result = load(server.port, count=20)
        assert server.done.associations == 2
    totals = result.totals
    assert (totals.answered, totals.unanswered) == (19, 1)
    (text,) = totals.failures
    assert "aborted the association" in text
    assert result.status == 1


def test_silence_counts_as_the_time_that_it_lasted(load) -> None:
    with serving(Script(status=lambda number: SILENT if number == 3 else 0)) as server:
        totals = load(server.port, count=10, timeout=PATIENCE, give_up=WALL).totals
    assert (totals.answered, totals.unanswered) == (9, 1)
    assert totals.latency.count == 10
    assert totals.latency.largest >= PATIENCE
    (text,) = totals.failures
    assert text == f"no response to the C-ECHO-RQ in {PATIENCE:g} s; aborted"


def test_operations_that_are_unfinished_in_the_end_are_counted(load) -> None:
    with serving(Script(status=lambda number: SILENT if number >= 5 else 0)) as server:
        result = load(
            server.port,
            rate=Rate(50, 50, 0.4),
            duration=0.4,
            associations=2,
            drain=PATIENCE,
            timeout=10 * WALL,
        )
    totals = result.totals
    assert (totals.offered, totals.answered, totals.unanswered) == (20, 5, 15)
    assert totals.failures == {"no response by the end of the load": 15}


def test_a_server_that_is_not_there(load) -> None:
    with serving() as server:
        port = server.port
    result = load(port, count=10, associations=3)
    assert "Connection refused" in result.failure
    assert result.totals.associations_failed == 3
    assert result.status == 1


def test_a_server_that_rejects_is_told_with_its_reason(load) -> None:
    with serving(Script(reject=lambda number: (2, 3, 2))) as server:
        result = load(server.port, count=10)
    (text,) = result.totals.rejects
    assert "local limit exceeded" in text
    assert result.failure == f"no association: {text}"


def test_a_server_that_takes_some_associations_is_loaded_with_those(load) -> None:
    with serving(Script(reject=lambda number: (2, 3, 2) if number >= 2 else None)) as server:
        result = load(server.port, count=50, associations=4)
    assert result.totals.answered == 50
    assert result.totals.associations == 2
    assert sum(result.totals.rejects.values()) >= 2
    assert result.failure == ""


def test_a_server_that_dies_leaves_partial_results(load) -> None:
    with serving(Script(stop_after=40)) as server:
        result = load(server.port, duration=10 * WALL, associations=2, give_up=0.4)
        assert result.totals.acknowledged == len(server.done.acknowledged) == 40
    assert result.failure.startswith("the peer is gone: no connection to 127.0.0.1")
    assert result.totals.unanswered >= 1
    assert result.seconds < 10 * WALL
    assert result.status == 1


def test_a_context_that_is_not_accepted_is_told(load) -> None:
    with serving(Script(refuse_contexts=True)) as server:
        result = load(server.port, count=3)
    (text,) = result.totals.failures
    assert text.startswith("the peer does not accept Verification")
    assert result.totals.unanswered == 3


def test_a_process_that_is_killed_leaves_what_it_reported(load, monkeypatch) -> None:
    from gateway.load import coordinator

    spawn = coordinator.spawn
    killed = []

    async def spawn_and_remember(*args: object, **options: object):
        child = await spawn(*args, **options)
        killed.append(child)
        return child

    monkeypatch.setattr(coordinator, "spawn", spawn_and_remember)
    seen = []

    def status(number: int) -> int:
        if number == 3000:
            seen.append(killed[0].kill())
        return 0

    with serving(Script(status=status, delay=lambda number: 0.001)) as server:
        result = load(server.port, duration=10 * WALL, associations=4)
    assert seen
    assert result.failure == "process load-0 failed: killed by SIGKILL"
    assert 0 < result.totals.answered <= 3001


@pytest.mark.parametrize(("keep", "associations"), [("keep", 1), ("study", 5), ("instance", 25)])
def test_associations_are_kept_or_opened_anew(load, keep, associations) -> None:
    with serving() as server:
        result = load(server.port, operation="store", size=100, count=24, keep=keep, study=(2, 3))
        assert result.totals.answered == 24
        # Where they are not kept, one more is opened and released before the load begins.
        assert server.done.associations == result.totals.associations == associations


def test_a_thousand_associations_are_held(load) -> None:
    with serving() as server:
        result = load(server.port, count=2000, associations=1000)
        assert server.done.most_at_once == 1000
    assert result.totals.associations == 1000
    assert result.totals.answered == 2000
    assert result.totals.errors == 0


@pytest.mark.parametrize(
    ("slo", "status"),
    [
        ("p99<600s,errors<1%", 0),
        ("p50<1ms", 3),
        ("errors<=0", 0),
        ("rate>1000000", 3),
        ("max<600s, mean>1us", 0),
    ],
)
def test_objectives_decide_the_exit_status(load, slo, status) -> None:
    with serving(Script(delay=lambda number: 0.005)) as server:
        assert load(server.port, count=10, objectives=objectives.parse(slo)).status == status


def test_errors_are_measured_by_objectives(load) -> None:
    with serving(Script(status=lambda number: 0xA700 if number < 2 else 0)) as server:
        port = server.port
        assert load(port, count=10, objectives=objectives.parse("errors<10%")).status == 3
        assert load(port, count=10, objectives=objectives.parse("errors<10%")).status == 0


def test_a_ramp_ends_above_what_the_peer_answers(load) -> None:
    # One association and 20 ms an operation: never more than 50 a second, and fewer on a busy
    # machine. So only what is above the knee is certain.
    with serving(Script(delay=lambda number: 0.02)) as server:
        result = load(server.port, rate=ramp("10:100:2s"), drain=PATIENCE)
    knee, steps = result.knee, result.document()["ramp"]["steps"]
    assert knee is not None
    assert knee.broken_at is not None
    assert knee.broken_at <= 70
    assert len(steps) == 10
    assert not steps[-1]["keeps_up"]
    assert steps[-1]["achieved_rate"] < 0.7 * steps[-1]["offered_rate"]


def test_a_rate_on_one_association_is_told_to_be_limited_by_it() -> None:
    with serving(Script()) as server:
        at = ("127.0.0.1", server.port, "--operation", "echo", "--count", 5)
        alone = run_cli("load", *at, "--rate", 100)
        two = run_cli("load", *at, "--rate", 100, "--associations", 2)
        closed = run_cli("load", *at)
    assert "--associations N" in alone.out.text
    assert "--associations N" not in two.out.text + closed.out.text


def test_files_that_cannot_be_sent_are_a_wrong_argument(load, tmp_path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("no DICOM file")
    with pytest.raises(ConfigError, match="nothing that can be sent"):
        load(1, operation="store", files=(str(path),), count=1)

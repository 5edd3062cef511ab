"""Liveness, readiness and the status as metrics, from made-up answers of a supervisor."""

from copy import deepcopy

import pytest

from gateway.sdk import GatewayError
from tests.clock import Clock
from workers.web.health import STALE, Health

WELL = {
    "state": "ok",
    "reasons": [],
    "drained": False,
    "acceptors": [{"name": "acceptor-0", "state": "ready", "restarts": 1}],
    "workers": [
        {
            "name": "storage",
            "holds": ["EVT_C_STORE"],
            "members": 1,
            "processes": [{"name": "storage-0", "state": "ready", "restarts": 2}],
        }
    ],
    "others": [],
    "disk": {"free": 10, "size": 100},
    "spool": {"ready": 0, "quarantine": 0},
    "index": {"place": "/x", "state": "ok"},
}


def asked(**changes: object) -> Health:
    health = Health(lambda: deepcopy(WELL) | changes)
    health.look()
    return health


def test_well() -> None:
    health = asked()
    assert health.is_alive
    assert health.reasons() == []
    gauges = {metric.name: metric.series for metric in health.metrics()}
    assert gauges["dicom_gateway_ready"] == {(): 1}
    assert gauges["dicom_gateway_state"] == {("ok",): 1, ("degraded",): 0, ("stopping",): 0}
    assert gauges["dicom_gateway_process_restarts_total"] == {
        ("acceptor-0",): 1,
        ("storage-0",): 2,
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "stopping"}, "the gateway is stopping"),
        ({"drained": True}, "the gateway is drained"),
        ({"acceptors": [{**WELL["acceptors"][0], "state": "restarting"}]}, "no acceptor is ready"),
        ({"workers": []}, "no worker answers EVT_C_STORE"),
        (
            {"workers": [{**WELL["workers"][0], "members": 0}]},
            "no worker answers EVT_C_STORE",
        ),
        ({"reasons": ["disk: 1 MB free, less than ..."]}, "disk: 1 MB free, less than ..."),
        ({"index": {"place": "/x", "state": "malformed"}}, "the index cannot be used"),
    ],
)
def test_not_ready(changes: dict, reason: str) -> None:
    assert asked(**changes).reasons() == [reason]


def test_a_worker_from_outside_stores_as_well() -> None:
    other = {"name": "mine", "holds": ["EVT_C_STORE"], "members": 1}
    assert asked(workers=[], others=[other]).reasons() == []


def test_a_supervisor_that_no_longer_answers() -> None:
    clock, answers = Clock(50.0), [deepcopy(WELL)]

    def ask() -> dict:
        if not answers:
            raise GatewayError("no answer in time")
        return answers.pop()

    health = Health(ask, clock)
    assert not health.is_alive
    health.look()
    clock.now += STALE - 1
    health.look()
    assert health.is_alive
    clock.now += 2
    assert not health.is_alive
    assert health.reasons() == ["the supervisor does not answer: no answer in time"]
    gauges = {metric.name: metric.series for metric in health.metrics()}
    assert gauges["dicom_gateway_ready"] == {(): 0}
    assert set(gauges["dicom_gateway_process_up"].values()) == {0}

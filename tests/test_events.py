"""The catalogue against pynetdicom's, whose names it promises, and the table of statuses."""

from __future__ import annotations

import pytest
from pynetdicom import evt as theirs

from gateway import events
from gateway.events import CATALOGUE, INTERVENTIONS, NOTIFICATIONS, Fate

OWN_NOTIFICATIONS = {
    "EVT_INSTANCE_CONFLICT",
    "EVT_INSTANCE_MISSING",
    "EVT_PATIENT_MISMATCH",
    "EVT_INSTANCE_NOT_KEPT",
    "EVT_INSTANCE_STORED",
    "EVT_PROCEDURE_STEP",
    "EVT_STUDY_COMPLETE",
    "EVT_WORKER_UP",
    "EVT_WORKER_LOST",
    "EVT_WORKER_SUPERSEDED",
    "EVT_WORKER_REFUSED",
    "EVT_METRICS",
    "EVT_ASSOCIATION_ENDED",
    "EVT_OPERATION_BEGUN",
    "EVT_OPERATION_ENDED",
    "EVT_TLS_FAILED",
    "EVT_GAP",
}
OWN_INTERVENTIONS = {"EVT_ASSOCIATE", "EVT_STORE_TRANSFORM"}

# unanswered, raised, no status, bad status, forbidden class
STATUSES = {
    "EVT_C_ECHO": (0x0000, 0x0000, 0x0000, 0x0000, 0x0000),
    "EVT_C_STORE": (0xA700, 0xC211, 0xC001, 0xC002, 0xC002),
    "EVT_STORE_TRANSFORM": (0xA700, 0xA700, 0xA700, 0xA700, 0xA700),
    "EVT_C_FIND": (0xA700, 0xC311, 0xC001, 0xC002, 0xC002),
    "EVT_C_GET": (0xA701, 0xC411, 0xC001, 0xC002, 0xC002),
    "EVT_C_MOVE": (0xA701, 0xC511, 0xC001, 0xC002, 0xC002),
    "EVT_N_ACTION": (0x0110, 0x0110, 0xC001, 0xC002, 0x0110),
}


def their_names(kind: type) -> set[str]:
    return {value.name for value in vars(theirs).values() if isinstance(value, kind)}


def test_every_notification_of_pynetdicom_is_here() -> None:
    assert set(NOTIFICATIONS) - OWN_NOTIFICATIONS == their_names(theirs.NotificationEvent)


def test_every_intervention_of_pynetdicom_is_here() -> None:
    assert set(INTERVENTIONS) - OWN_INTERVENTIONS == their_names(theirs.InterventionEvent)


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_event_is_either_told_or_asked(name: str) -> None:
    event = CATALOGUE[name]
    assert event.name == str(event) == name
    assert event.is_intervention is not event.is_notification
    assert event.description


@pytest.mark.parametrize(("name", "statuses"), STATUSES.items())
def test_what_goes_on_the_wire_when_it_goes_wrong(name: str, statuses: tuple[int, ...]) -> None:
    failures = INTERVENTIONS[name].failures
    assert failures is not None
    told = (failures.unanswered, failures.raised, failures.no_status, failures.bad_status)
    assert (*told, failures.forbidden) == statuses


def test_admission_and_identity_fail_closed() -> None:
    assert {n for n, e in INTERVENTIONS.items() if e.fails_closed} == {
        "EVT_ASSOCIATE",
        "EVT_USER_ID",
    }


@pytest.mark.parametrize(
    ("event", "status", "fate"),
    [
        (events.EVT_C_STORE, 0x0000, Fate.ENDS),
        (events.EVT_C_STORE, 0xFF00, Fate.FORBIDDEN),
        (events.EVT_C_STORE, 0xFE00, Fate.FORBIDDEN),
        (events.EVT_C_STORE, 0xB000, Fate.ENDS),
        (events.EVT_C_STORE, 0xFFF0, Fate.ENDS),
        (events.EVT_C_ECHO, 0xFE00, Fate.FORBIDDEN),
        (events.EVT_N_ACTION, 0xFF00, Fate.FORBIDDEN),
        (events.EVT_N_ACTION, 0x0110, Fate.ENDS),
        (events.EVT_C_FIND, 0xFF00, Fate.GOES_ON),
        (events.EVT_C_FIND, 0xFF01, Fate.GOES_ON),
        (events.EVT_C_FIND, 0xB000, Fate.GOES_ON),
        (events.EVT_C_FIND, 0xFE00, Fate.ENDS),
        (events.EVT_C_FIND, 0x0000, Fate.ENDS),
        (events.EVT_C_GET, 0xFF01, Fate.GOES_ON),
        (events.EVT_C_GET, 0xB000, Fate.ENDS),
        (events.EVT_C_MOVE, 0xFF00, Fate.GOES_ON),
        (events.EVT_C_MOVE, 0xFE00, Fate.ENDS),
        (events.EVT_C_MOVE, 0x5555, Fate.ENDS),
    ],
)
def test_what_a_status_means_for_the_request(
    event: events.InterventionEvent, status: int, fate: Fate
) -> None:
    assert event.fate(status) is fate

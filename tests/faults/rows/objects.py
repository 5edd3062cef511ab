"""Instances in an object store: it is killed, paused and away; hosts and workers are killed."""

from __future__ import annotations

from tests.faults import object_faults
from tests.faults.rows.healing import row

ROWS = [
    row(
        "objects-paused",
        "P1 P11",
        "SeaweedFS is paused for 6 s under load: requests wait",
        object_faults.paused,
    ),
    row("objects-killed", "P1 P11", "SeaweedFS is killed under load", object_faults.killed),
    row("objects-away", "P11", "SeaweedFS stays away, and comes back", object_faults.away),
    row(
        "objects-staged",
        "P1 P11",
        'SeaweedFS is killed under load, with stage = "spool": nobody is refused',
        object_faults.staged,
    ),
    row(
        "objects-worker-killed",
        "P1 P10",
        "the storage worker is killed under load, with instances in SeaweedFS",
        object_faults.gateway_killed,
    ),
    row(
        "objects-holder-down",
        "P1 P11",
        "a host is killed: another one gives back what it stored in SeaweedFS",
        object_faults.holder_down,
    ),
]

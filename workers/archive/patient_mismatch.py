"""The notification about a study that has several Patient IDs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sdk import evt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.sdk import Event


def publish_mismatch(
    event: Event, outcome: str, study_instance_uid: str, patients: Iterable[str]
) -> None:
    """Publish EVT_PATIENT_MISMATCH; `outcome` is stored, refused or retrieved."""
    topic = evt.EVT_PATIENT_MISMATCH
    if event.is_watched(topic):
        body = {"outcome": outcome, "study_instance_uid": study_instance_uid}
        event.publish(topic, {**body, "patient_ids": list(patients)})

"""What passes over one association, told to the worker that traces it for as long as it asks.

Only this association pays for it. A record is a short description: no data set and no identity of a
user leaves the acceptor this way. If more passes than `MOST` records in one interval, the number of
those that were left out is told.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from gateway import events
from gateway.dimse.message import decode_message
from gateway.errors import GatewayError
from gateway.ul.pdu import pdu_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.acceptor.acceptor_association import AcceptorAssociation
    from gateway.events import NotificationEvent
    from gateway.fabric.acceptor import AssociationCommand

INTERVAL = 0.5
"""Seconds between two results."""
MOST = 200
"""Records in one result."""
TOPICS = frozenset(
    event.name
    for event in (
        events.EVT_PDU_RECV,
        events.EVT_PDU_SENT,
        events.EVT_FSM_TRANSITION,
        events.EVT_DIMSE_RECV,
        events.EVT_DIMSE_SENT,
    )
)


class TraceRecorder:
    """Collects the records of one association between two results."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._left_out = 0

    def take(self, event: NotificationEvent, body: Mapping[str, Any]) -> None:
        """Record a notification about the association; those of other topics are ignored."""
        if event.name not in TOPICS:
            return
        if len(self._records) >= MOST:
            self._left_out += 1
            return
        self._records.append({"time": time.time(), "event": event.name, **_described(event, body)})

    def collected(self) -> dict[str, Any]:
        """Return what was recorded since the last call, as the payload of a result."""
        records, left_out = self._records, self._left_out
        self._records, self._left_out = [], 0
        return {"records": records, "left_out": left_out}


async def trace(association: AcceptorAssociation, command: AssociationCommand) -> None:
    """Reply with what passes over the association until it ends or the worker asks no more."""
    recorder = TraceRecorder()
    association.trace(recorder)
    try:
        while association.engine.ended is None:
            await asyncio.sleep(INTERVAL)
            command.reply(recorder.collected(), final=False)
        command.reply(recorder.collected())
    finally:
        association.untrace(recorder)


def _described(event: NotificationEvent, body: Mapping[str, Any]) -> dict[str, Any]:
    if event is events.EVT_FSM_TRANSITION:
        keys = "current_state", "fsm_event", "action", "next_state"
        return {"text": " ".join(str(body[key]) for key in keys), "state": body["next_state"]}
    if event in (events.EVT_PDU_RECV, events.EVT_PDU_SENT):
        return {"text": pdu_name(body["pdu"][0]), "length": body["length"]}
    return {"text": _message(body["command_set"]), "length": body["length"]}


def _message(command_set: bytes) -> str:
    """Return a message's name, its number and its status, as `C-STORE-RSP 3, status 0000`."""
    try:
        message = decode_message(command_set)
    except GatewayError:
        return "message that cannot be decoded"
    values = message.parameters()
    number = values.get("MessageID", values.get("MessageIDBeingRespondedTo"))
    status = values.get("Status")
    told = "" if status is None else f", status {status:04X}"
    name = message.command_field.name.replace("_", "-")
    return f"{name} {number}{told}"

"""A worker that prints every notification event, and a test's view of what it printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.peers.workers import UserWorker

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
import json

from gateway import Worker, evt
from gateway.events import NOTIFICATIONS
from gateway.sdk import GatewayError

worker = Worker("watcher")


def _plain(value):
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, bytes):
        return {"bytes": value[:16].hex(), "length": len(value)}
    if isinstance(value, tuple):
        return list(value)
    return type(value).__name__


def _value(event, name):
    try:
        return _plain(getattr(event, name))
    except GatewayError as error:  # a PDU that is none
        return str(error)


def _details(event):
    if "message" in event.event.attributes:
        message = event.message
        yield "command", [message.command_set.CommandField, message.command_set.get("Status")]
        yield "kind", type(message.message).__name__
        yield "context_id", message.context_id
        yield "data_set", len(message.data_set.read())
    if "primitive" in event.event.attributes:
        yield "primitive", [event.primitive.name, event.primitive.kind]
        yield "carried", type(event.primitive.pdu).__name__


def tell(event):
    told = {name: _value(event, name) for name in event.event.attributes}
    told.update(_details(event))
    told["name"] = event.name
    told["description"] = event.description
    told["catalogue"] = event.event is getattr(evt, event.name)
    told["at"] = event.timestamp.timestamp()
    assoc = event.assoc
    told["assoc"] = {
        "id": assoc.id,
        "remote": list(assoc.remote),
        "local": list(assoc.local),
        "calling": assoc.requestor.ae_title,
        "called": assoc.acceptor.ae_title,
        "ae": assoc.ae.ae_title,
        "contexts": [c.context_id for c in assoc.accepted_contexts],
        "is": [
            name
            for name in ("established", "released", "aborted", "rejected")
            if getattr(assoc, "is_" + name)
        ],
    }
    print(json.dumps(told) + "\\n", end="", flush=True)  # one write: the ready line may come now


for event in NOTIFICATIONS.values():
    if not event.name.startswith(("EVT_WORKER", "EVT_GAP", "EVT_INSTANCE")):
        worker.bind(event, tell)
"""


@dataclass(frozen=True)
class Seen:
    """One event as the watcher printed it."""

    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(f"{self.values['name']} has no {name}") from None

    def __str__(self) -> str:
        """Its name, and what tells it from others of that name."""
        return " ".join([self.name.removeprefix("EVT_"), *self._more()])

    def _more(self) -> list[str]:
        v = self.values
        match v["name"]:
            case "EVT_FSM_TRANSITION":
                return [v["current_state"], v["fsm_event"], v["action"], v["next_state"]]
            case "EVT_PDU_RECV" | "EVT_PDU_SENT":
                return [v["pdu"]]
            case "EVT_ACSE_RECV" | "EVT_ACSE_SENT":
                return v["primitive"]
            case "EVT_DIMSE_RECV" | "EVT_DIMSE_SENT":
                return [v["kind"]]
            case "EVT_REJECTED":
                return [str(v[n]) for n in ("result", "source", "reason")]
            case "EVT_ABORTED":
                return [str(v[n]) for n in ("source", "reason")]
            case _:
                return []


class ProcessWatcher(UserWorker):
    """Sees every notification of a running gateway; wait until it is ready."""

    def __init__(self, folder: Path, data: Path) -> None:
        super().__init__(folder, SOURCE, data, name="watcher")
        self.wait_ready()

    def wait_for(self, pattern: str, port: int) -> None:
        """Until a line with this was printed of the connection from this port."""
        self.out.wait_for(rf'{pattern}.*"remote": \["127.0.0.1", {port}\]')

    def of(self, port: int, *, last: str = "EVT_CONN_CLOSE") -> list[Seen]:
        """Return the notifications about the connection from this port, once `last` has arrived."""
        self.wait_for(f'"name": "{last}"', port)
        told = [Seen(json.loads(line)) for line in self.out.lines if line.startswith("{")]
        return [one for one in told if one.assoc["remote"][1] == port]

"""Forwarding in this process: an index with an outbox, and one destination."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.metrics import Metrics
from gateway.sdk.move.routes import Routes
from gateway.settings import ForwardRoute, ForwardSettings
from tests.archive.conftest import entry
from tests.peers import procfs
from workers.archive.index import SqliteIndex
from workers.archive.outbox_control import OutboxControl
from workers.archive.outbox_rows import QueuedInstance, Selection
from workers.forward.destination_links import DestinationLinks
from workers.forward.filling import Filling, RouteTable
from workers.forward.forward_outbox import ForwardOutbox
from workers.forward.forwarder import Forwarder
from workers.forward.forwarding_shared import ForwardingCounters, ForwardingShared
from workers.forward.outbox_command import _print_state
from workers.forward.outcome_recorder import OutcomeRecorder
from workers.forward.route_transform import RouteTransform
from workers.web.destinations import destinations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from gateway.datasets import Instance
    from gateway.requestor import Timeouts
    from gateway.settings import Destination
    from workers.archive.index import Index

NAME, TITLE = "THERE", "US"


@dataclass
class KeptInMemory:
    """Stands for the files of the archive."""

    instances: dict[str, Instance] = field(default_factory=dict)
    holder: str = "HERE"
    is_shared: bool = False

    def open(self, row: QueuedInstance) -> Instance:
        return self.instances[row.entry.sop_instance_uid]


@dataclass
class Site:
    """What a forwarding process does, and what it tells of it."""

    index: Index
    forwarder: Forwarder
    outbox: ForwardOutbox
    kept: KeptInMemory

    def put(self, *sent: Instance) -> None:
        """Have instances sent."""
        rows = []
        for one in sent:
            self.kept.instances[one.sop_instance_uid] = one
            where = entry(one.sop_instance_uid)
            where = where._replace(
                sop_class_uid=one.sop_class_uid, transfer_syntax_uid=one.transfer_syntax_uid
            )
            rows.append(QueuedInstance(where, NAME, "all", "1.3", "1.2", queued=self.outbox.now()))
        self.outbox.add(rows)

    def rows(self, state: str = "") -> list[QueuedInstance]:
        """What is in the outbox, in a state or in any."""
        return OutboxControl(self.index).rows(Selection(NAME, state=state), 100)

    def wait_empty(self) -> None:
        procfs.until(lambda: not self.rows(), what="an empty outbox")

    def page(self) -> dict[str, Any]:
        """The row of the destination on the page."""
        status = {"workers": [{"processes": [{"outbox": self.forwarder.facts()}]}]}
        return next((one for one in destinations(status) if one["name"] == NAME), {"state": ""})

    def listed(self, capsys: pytest.CaptureFixture[str]) -> str:
        """The line of the destination that `dicom-gateway outbox ls` prints."""
        state = OutboxControl(self.index).states()[NAME]
        capsys.readouterr()
        _print_state(state, self.page()["state"], as_json=False)
        return capsys.readouterr().out


def shared_of(
    outbox: ForwardOutbox, kept: KeptInMemory, routes: Routes, folder: Path
) -> ForwardingShared:
    """What all destinations share; a transform is never asked for."""
    links = DestinationLinks(routes, TITLE, lambda: None)  # type: ignore[arg-type,return-value]
    return ForwardingShared(
        ForwardSettings(first_pause=0.02, longest_pause=0.1, attempts=1000),
        outbox,
        OutcomeRecorder(outbox, "HERE"),
        kept,  # type: ignore[arg-type]
        owner="host/1",
        destination=routes.destination,
        associate=links.open,
        connect=lambda name, contexts, handler: routes.connect(name, TITLE, contexts, handler),
        search=links.search,
        counters=ForwardingCounters(Metrics()),
        transforms=RouteTransform(lambda *_: [], folder),
        certificate_end=routes.certificate_end,
    )


@contextmanager
def forwarding(folder: Path, destination: Destination, timeouts: Timeouts) -> Iterator[Site]:
    """A site that sends to a destination until the end of the block."""
    with SqliteIndex(folder / "index.sqlite", durable=False) as index:
        outbox, kept = ForwardOutbox(index), KeptInMemory()
        routes = Routes({NAME: destination}, timeouts=timeouts)
        shared = shared_of(outbox, kept, routes, folder)
        table = RouteTable([ForwardRoute(destinations=(NAME,))], lambda _name: True)
        filling = Filling(index, outbox, table, None, "HERE")  # type: ignore[arg-type]
        forwarder = Forwarder(index, shared, filling)
        forwarder.start()
        try:
            yield Site(index, forwarder, outbox, kept)
        finally:
            forwarder.stop()
            routes.close()

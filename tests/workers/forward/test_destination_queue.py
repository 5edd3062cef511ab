"""Which rows of the outbox a destination gets, and when: its own gateway's, and those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.requestor import Timeouts
from gateway.sdk.move.routes import Routes
from gateway.settings import Destination
from tests.archive.conftest import entry
from tests.clock import Clock
from tests.workers.forward.forwarding_site import NAME, KeptInMemory, shared_of
from workers.archive.outbox_rows import QueuedInstance
from workers.forward.destination_queue import LATE, DestinationQueue
from workers.forward.forward_outbox import ForwardOutbox
from workers.forward.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.archive.index import Index


class Bench:
    """A destination without lanes of its own, and rows for it."""

    def __init__(self, index: Index, folder: Path, destination: Destination) -> None:
        self.routes = Routes({NAME: destination}, timeouts=Timeouts.all(1.0))
        self.outbox = ForwardOutbox(index)
        self.shared = shared_of(self.outbox, KeptInMemory(), self.routes, folder)
        self.shared.alive = lambda: ("HERE", "THERE")
        self.queue = DestinationQueue(NAME, self.shared)
        self.clock = self.queue.clock = Clock()  # type: ignore[assignment]
        self._lane = Lane(self.queue, 0)

    def put(self, uid: str, holder: str, due_for: float) -> None:
        """Put in a row that has been due for so many seconds."""
        due = self.outbox.now() - due_for
        self.outbox.add([QueuedInstance(entry(uid, holder=holder), NAME, "all", due=due)])

    def take(self, most: int = 10) -> list[str]:
        return [row.entry.sop_instance_uid for row in self.queue.take(self._lane, most)]


@pytest.fixture
def destination() -> Destination:
    return Destination("127.0.0.1", 104)


@pytest.fixture
def bench(index: Index, tmp_path: Path, destination: Destination) -> Iterator[Bench]:
    one = Bench(index, tmp_path, destination)
    yield one
    one.routes.close()


def test_rows_of_others_are_looked_for_once_a_minute(bench: Bench) -> None:
    bench.put("1.1", "THERE", LATE / 2)
    bench.put("1.2", "THERE", LATE * 2)
    bench.put("1.3", "HERE", 0.0)
    assert [bench.take(), bench.take(), bench.take()] == [["1.3"], ["1.2"], []]
    bench.put("1.4", "THERE", LATE * 2)
    bench.put("1.5", "HERE", 0.0)
    assert [bench.take(), bench.take()] == [["1.5"], []]
    bench.clock.now += LATE - 1
    assert bench.take() == []
    bench.clock.now += 2
    assert bench.take() == ["1.4"]


@pytest.mark.parametrize("destination", [Destination("127.0.0.1", 104, order="series")])
def test_the_one_that_sends_in_order_sends_what_others_hold_in_their_place(bench: Bench) -> None:
    bench.put("1.1", "THERE", 3.0)
    bench.put("1.2", "HERE", 2.0)
    bench.put("1.3", "THERE", 1.0)
    assert bench.take() == ["1.1", "1.2", "1.3"]
    bench.shared.alive = lambda: ("HERE",)
    assert bench.take() == ["1.2"]

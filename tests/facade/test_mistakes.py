"""A server whose handlers do everything wrong, while others use it."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import config_flags
from tests.interop.both import Told, instance
from tests.patience import PATIENCE
from tests.peers import procfs

ASSOCIATIONS = 20


class Nonsense:
    def __bool__(self):
        raise RuntimeError("not even that")


def hang(event):
    hang.free.wait(60)
    return 0x0000


def exit_thread(event):
    sys.exit(1)


MISTAKES = {
    "raises": lambda event: 1 / 0,
    "hangs": hang,
    "exits": exit_thread,
    "nonsense": lambda event: Nonsense(),
    "sequence": lambda event: [0x0000],
    "negative": lambda event: -1,
    "fine": lambda event: 0x0000,
}
STATUSES = {
    "raises": 0xC211,
    "hangs": 0xA700,
    "exits": 0xC211,
    "nonsense": 0xC002,
    "sequence": 0xC002,
    "negative": 0xC002,
    "fine": 0x0000,
}


@pytest.fixture
def short_deadline(monkeypatch):
    monkeypatch.setattr(config_flags, "HANDLER_DEADLINE", 0.3 * PATIENCE)
    hang.free = threading.Event()
    yield
    hang.free.set()


def store(event):
    return MISTAKES[str(event.request.MoveOriginatorApplicationEntityTitle)](event)


def test_twenty_associations(facade, short_deadline, caplog):
    server = facade.serve(("EVT_C_STORE", store))
    assocs = [facade.associate(server) for _ in range(ASSOCIATIONS)]
    order = list(MISTAKES)

    def work(number):
        found = {}
        for step in range(len(order)):
            mistake = order[(number + step) % len(order)]
            status = assocs[number].send_c_store(instance(number), originator_aet=mistake)
            found[mistake] = status.get("Status")
        return found

    with ThreadPoolExecutor(ASSOCIATIONS) as pool:
        found = list(pool.map(work, range(ASSOCIATIONS)))
    assert [one for one in found if one != STATUSES] == []
    for assoc in assocs:
        assert assoc.send_c_store(instance(), originator_aet="fine").Status == 0
        assert assoc.send_c_echo().Status == 0
        assoc.release()
        assert assoc.is_released

    def said():
        return "\n".join(record.getMessage() for record in caplog.records)

    procfs.until(lambda: "hangs: given up" in said(), what="a word about the hanging")
    assert "is past its deadline" in said()
    assert "handler=store raised" in said()


def test_more_hang_than_there_are_threads(facade, short_deadline):
    """Each hanging handler keeps a thread; others take their places."""
    facade.ae.maximum_associations = 8
    server = facade.serve(("EVT_C_STORE", store))
    facade.ae.maximum_associations = 100
    assocs = [facade.associate(server) for _ in range(8)]

    def work(assoc):
        return [assoc.send_c_store(instance(), originator_aet="hangs").Status for _ in range(2)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, assocs)) == [[0xA700, 0xA700]] * 8
    assert assocs[0].send_c_store(instance(), originator_aet="fine").Status in (0x0000, 0xA700)
    status = 0xA700
    for _ in range(10):
        status = assocs[0].send_c_store(instance(), originator_aet="fine").Status
        if status == 0:
            break
    assert status == 0x0000


def test_a_notification_handler_that_raises(facade):
    told = Told()

    def wrong(event):
        raise ValueError("a watcher's mistake")

    watchers = [("EVT_ESTABLISHED", wrong), ("EVT_ESTABLISHED", told.put)]
    server = facade.serve(*watchers)
    assoc = facade.associate(server, *watchers)
    assert {told.next().name, told.next().name} == {"EVT_ESTABLISHED"}
    assert assoc.send_c_echo().Status == 0

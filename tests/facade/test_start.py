"""The start of a server with a peer that knocks already."""

from __future__ import annotations

import threading

import pytest

from gateway import AE, evt
from tests.interop.both import ECHO, HOST, WAIT, Told

NAMES = ("EVT_CONN_OPEN", "EVT_REQUESTED", "EVT_ACCEPTED", "EVT_ESTABLISHED")


@pytest.mark.parametrize("watched", [1, 4])
def test_a_peer_that_knocks_while_the_server_starts_is_told_of(facade, watched):
    told = Told()
    bound = [(getattr(evt, name), lambda event: told.put(event.name)) for name in NAMES[:watched]]
    server = facade.ae.make_server((HOST, 0), evt_handlers=bound)
    client = AE()
    client.acse_timeout = WAIT
    client.add_requested_context(ECHO)
    made = []

    def knock():
        made.append(client.associate(*server.server_address))

    knocking = threading.Thread(target=knock)
    knocking.start()  # it is in the backlog from now on
    server.start()
    knocking.join(WAIT)
    assert made[0].is_established
    assert sorted(told.take(watched)) == sorted(NAMES[:watched])
    client.shutdown()

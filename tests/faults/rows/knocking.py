"""Servers of the facade that start while a peer is connecting already."""

from __future__ import annotations

import threading

from gateway import AE, evt
from tests.faults.row import Options, Result, Row
from tests.interop.both import ECHO, HOST, WAIT, Told

NAMES = ("EVT_ACCEPTED", "EVT_CONN_OPEN", "EVT_ESTABLISHED", "EVT_REQUESTED")


def start_knocked_at() -> bool:
    """Start a server with a connection in its backlog; return whether all events were told."""
    told = Told()
    ae, client = AE(), AE()
    ae.add_supported_context(ECHO)
    client.add_requested_context(ECHO)
    client.acse_timeout = WAIT
    bound = [(getattr(evt, name), lambda event: told.put(event.event.name)) for name in NAMES]
    server = ae.make_server((HOST, 0), evt_handlers=bound)
    made = []
    peer = threading.Thread(target=lambda: made.append(client.associate(*server.server_address)))
    peer.start()
    server.start()
    peer.join(WAIT)
    try:
        return made[0].is_established and tuple(sorted(told.take(len(NAMES)))) == NAMES
    finally:
        client.shutdown()
        server.shutdown()


def _run(options: Options) -> Result:
    well = sum(start_knocked_at() for _ in range(options.starts))
    text = f"{well} of {options.starts} starts lost no notification"
    return Result(ok=well == options.starts, runs=options.starts, text=text)


ROWS = [Row("knock", "P9", "a peer connects while a server of the facade starts", _run)]

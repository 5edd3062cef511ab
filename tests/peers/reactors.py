"""pynetdicom's reactors: each leaves its socket closed, however it ends."""

from __future__ import annotations

import functools

from pynetdicom.dul import DULServiceProvider


def close_sockets() -> None:
    """Let each reactor that starts from now on close its socket at its end.

    By itself pynetdicom leaves it open if the reactor ends with an exception, as it does when an
    A-ABORT crosses what it sends, or if it gives up before the state machine is idle. The socket
    would be collected while another test runs, and fail that one.
    """
    run = DULServiceProvider.run_reactor

    @functools.wraps(run)
    def run_and_close(dul: DULServiceProvider) -> None:
        try:
            run(dul)
        finally:
            left = dul.socket and dul.socket.socket
            if left:
                left.close()

    DULServiceProvider.run_reactor = run_and_close

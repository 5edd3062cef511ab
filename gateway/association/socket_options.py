"""The options of the socket of an association."""

from __future__ import annotations

import socket

KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES = 30, 10, 3
"""Seconds of silence until TCP asks for the peer, between two questions, and their number."""


def set_options(connection: socket.socket, send_timeout: float) -> None:
    """Send at once, and notice a peer that is gone, whether it is sent something or not."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_NODELAY", 1),
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", min(max(int(send_timeout * 1000), 1000), 2**31 - 1)),
    ):
        if (option := getattr(socket, name, None)) is not None:  # some are Linux's only
            connection.setsockopt(socket.IPPROTO_TCP, option, value)

"""The listening socket, which the supervisor binds and every acceptor inherits."""

from __future__ import annotations

import errno
import os
import resource
import socket
from typing import TYPE_CHECKING

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

BACKLOG = 1024
_FIRST_PASSED = 3
"""The descriptor of the first socket of a service manager (sd_listen_fds(3))."""


def passed_on(
    environment: MutableMapping[str, str] = os.environ, first: int = _FIRST_PASSED
) -> socket.socket | None:
    """Return the listening socket that systemd passed to this process; None: it passed none.

    The variables are removed, so that no child takes them for its own. Raises ConfigError if there
    are several sockets, or if it is not a stream socket of TCP that listens.
    """
    count, owner = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    if owner != str(os.getpid()) or not count.isdecimal() or count == "0":
        return None
    if count != "1":
        raise ConfigError(f"the socket unit passes {count} sockets: let it pass one")
    try:
        listener = socket.socket(fileno=first)
        is_listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        is_tcp = listener.family in (socket.AF_INET, socket.AF_INET6)
    except OSError as error:
        raise ConfigError(f"the socket unit passes no socket: {error.strerror}") from None
    if not (is_tcp and is_listening and listener.type == socket.SOCK_STREAM):
        listener.close()
        raise ConfigError("the socket unit passes a socket that is not one of TCP that listens")
    os.set_inheritable(listener.fileno(), False)
    listener.setblocking(False)
    return listener


def listen(host: str, port: int) -> socket.socket:
    """Return a bound, listening socket; raises ConfigError with what to do about a failure."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a valid host name"
        raise ConfigError(f"cannot listen on {host!r}: {why}; choose another --host") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(_refusal(host, port, error)) from None
    listener.setblocking(False)
    return listener


def _refusal(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            advice = "another program listens there; stop it, or choose another --port"
        case errno.EACCES:
            advice = (
                "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE); "
                "grant it, or choose another --port"
            )
        case errno.EADDRNOTAVAIL:
            advice = "this host has no such address; choose another --host"
        case _:
            advice = error.strerror or "unknown error"
    return f"cannot listen on {format_address((host, port))}: {advice}"


def format_address(address: tuple[str, int]) -> str:
    """Return HOST:PORT, with brackets around an IPv6 address."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def raise_descriptor_limit() -> None:
    """Raise the soft limit to the hard one: an association needs a descriptor, and 1024 are few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

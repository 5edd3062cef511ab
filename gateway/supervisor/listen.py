"""The listening socket, which the supervisor binds and every acceptor inherits."""

from __future__ import annotations

import errno
import resource
import socket

from gateway.errors import ConfigError

BACKLOG = 1024


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

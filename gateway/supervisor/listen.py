"""The one listening socket, bound here and handed to every acceptor."""

from __future__ import annotations

import errno
import resource
import socket

from gateway.errors import ConfigError

BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; raises ConfigError, in one line that says how to mend it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a host name"
        raise ConfigError(f"cannot listen at {host!r}: {why}; see --host") from None
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
            mend = "another program listens there; stop it, or choose another port with --port"
        case errno.EACCES:
            mend = (
                "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE); "
                "grant it, or choose another port with --port"
            )
        case errno.EADDRNOTAVAIL:
            mend = "this host has no such address; choose another with --host"
        case _:
            mend = error.strerror or "unknown error"
    return f"cannot listen at {spoken((host, port))}: {mend}"


def spoken(address: tuple[str, int]) -> str:
    """HOST:PORT, with brackets round an IPv6 address."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def raise_descriptor_limit() -> None:
    """One association is one descriptor, and the usual soft limit is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

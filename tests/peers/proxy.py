"""A TCP proxy that records both directions and can cut, reset or stall at a byte offset."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from dataclasses import dataclass, field
from enum import Enum

from tests.patience import WALL

Address = tuple[str, int]


class Fault(Enum):
    """The action at an offset of the client's stream."""

    CUT = "cut"
    """FIN to both sides."""
    RESET = "reset"
    """RST to both sides."""
    STALL = "stall"
    """Nothing more goes to the server, the connections stay open."""


@dataclass
class Recording:
    """One connection through the proxy."""

    to_server: bytearray = field(default_factory=bytearray)
    to_client: bytearray = field(default_factory=bytearray)
    closed: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Accepts on a port of the kernel's choice and connects each client to `target`."""

    def __init__(self, target: Address, *, fault: Fault | None = None, at: int = 0) -> None:
        self.target = target
        self.fault, self.at = fault, at
        self.recordings: list[Recording] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: Address = self._listener.getsockname()
        self._threads: list[threading.Thread] = []
        self._wake, self._stop = socket.socketpair()
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Proxy:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.close()
        for thread in [self._accepting, *self._threads]:
            thread.join(WALL)
        self._wake.close()
        self._listener.close()

    def wait_closed(self) -> None:
        """Until every connection that was accepted so far is recorded to its end."""
        for recording in list(self.recordings):
            if not recording.closed.wait(WALL):
                raise AssertionError("a proxied connection is still open")

    def _accept(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._listener, selectors.EVENT_READ)
            ready.register(self._wake, selectors.EVENT_READ)
            while True:
                if any(key.fileobj is self._wake for key, _ in ready.select()):
                    return
                client, _ = self._listener.accept()
                recording = Recording()
                self.recordings.append(recording)
                thread = threading.Thread(target=self._serve, args=(client, recording), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket, recording: Recording) -> None:
        try:
            with client, socket.create_connection(self.target, timeout=WALL) as server:
                for sock in (client, server):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.settimeout(WALL)
                self._pump(client, server, recording)
        except OSError:
            pass
        finally:
            recording.closed.set()

    def _pump(self, client: socket.socket, server: socket.socket, recording: Recording) -> None:
        routes = {client: (server, recording.to_server), server: (client, recording.to_client)}
        with selectors.DefaultSelector() as ready:
            for sock in (client, server, self._wake):
                ready.register(sock, selectors.EVENT_READ)
            while len(ready.get_map()) > 1:
                for key, _ in ready.select():
                    if key.fileobj is self._wake:
                        return
                    source = key.fileobj
                    sink, record = routes[source]
                    data = source.recv(65536)
                    if not data:
                        ready.unregister(source)
                        with contextlib.suppress(OSError):
                            sink.shutdown(socket.SHUT_WR)
                        continue
                    if source is client and self._reached(len(record) + len(data)):
                        data = data[: max(0, self.at - len(record))]
                        record += data
                        sink.sendall(data)
                        if self._strike(client, server):
                            return
                        ready.unregister(source)
                        continue
                    record += data
                    sink.sendall(data)

    def _reached(self, offset: int) -> bool:
        return self.fault is not None and offset > self.at

    def _strike(self, client: socket.socket, server: socket.socket) -> bool:
        """Perform the fault; True when the connection is over."""
        if self.fault is Fault.STALL:
            return False
        if self.fault is Fault.RESET:
            for sock in (client, server):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return True

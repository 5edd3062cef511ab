"""The authenticator of workers on other hosts: ZeroMQ asks it about each connection (RFC 27, ZAP).

It runs on the acceptor's own event loop. The one of pyzmq for asyncio needs sockets of
`zmq.asyncio`, and the one with a thread would need a lock around the list of keys; the protocol
itself is one request and one reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from gateway.fabric.wire.sockets import Frames, LoopPort

if TYPE_CHECKING:
    from gateway.fabric.acceptor.allowed_keys import AllowedKeys
    from gateway.fabric.acceptor.refusals import Refusals

_PLACE = "inproc://zeromq.zap.01"
_VERSION = b"1.0"
_FRAMES = 16
"""Frames of a request that are looked at."""


class Authenticator:
    """Lets in the keys that are allowed; each message then says whose it is.

    Make it before a socket of the context is bound.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: AllowedKeys, refusals: Refusals
    ) -> None:
        self._keys = keys
        self._refusals = refusals
        socket = context.socket(zmq.REP)
        socket.bind(_PLACE)
        self._port = LoopPort(socket, _FRAMES, self._on_request)

    def _on_request(self, frames: Frames) -> None:
        version, number, *rest = map(bytes, frames)
        _domain, address, _identity, mechanism, *credentials = [*rest, *[b""] * 4][
            : max(len(rest), 4)
        ]
        key = credentials[0] if mechanism == b"CURVE" and credentials else b""
        if self._keys.of(key) is None:
            self._keys.refresh()  # it may just have been allowed
        if version == _VERSION and self._keys.of(key) is not None:
            reply = (b"200", b"allowed", key.hex().encode(), b"")
        else:
            reply = (b"400", b"this key is not allowed", b"", b"")
            self._refusals.add("key", self._told(address, key))
        self._port.send((_VERSION, number, *reply))

    def _told(self, address: bytes, key: bytes) -> str:
        at = address.decode("ascii", "replace")
        return (
            f"address={at} key={key.hex()}: it is not in {self._keys.path}; if it is a worker of"
            " yours, allow it with 'dicom-gateway keys allow'"
        )

    def close(self) -> None:
        self._port.close(0)

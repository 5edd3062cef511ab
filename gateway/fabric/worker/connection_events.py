"""What becomes of a connection to a gateway on another host, in words."""

from __future__ import annotations

import struct
from contextlib import suppress

import zmq

NOBODY = "nothing listens there"
REFUSED = "it refuses this worker's key"
"""The authenticator of the gateway does not know the key."""
_INCOMPLETE = "it does not complete the handshake"
_ENDS = (
    "it ends the handshake: its key is another than the server key that is configured here, or no"
    " gateway listens there"
)
_WATCHED = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
_WORDS = {
    zmq.EVENT_CONNECTED: _INCOMPLETE,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: _ENDS,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "what listens there is not a gateway",
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "",
}


def may_be_held_up(trouble: str) -> bool:
    """Return whether what listens there may be a gateway whose event loop stands still.

    Its connections are accepted, and closed again when nobody has looked at their keys in time, or
    it says nothing after the handshake.
    """
    return trouble in ("", _INCOMPLETE, _ENDS)


class ConnectionEvents:
    """The monitor of a socket; `trouble` says what is wrong, and is empty while nothing is.

    Call this before the socket connects.
    """

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket
        self._monitor = socket.get_monitor_socket(_WATCHED)
        self._was_retried = False
        self.trouble = NOBODY
        self.is_refused = False
        """The gateway does not allow this worker's key."""

    @property
    def is_open(self) -> bool:
        """Whether nothing is known yet of what listens there."""
        return self.trouble == NOBODY and not self._was_retried

    @property
    def is_nobody(self) -> bool:
        """Whether nothing listens there."""
        return self._was_retried and self.trouble == NOBODY

    def look(self) -> str:
        """Take what has happened, and return `trouble`; call this in the client's thread."""
        while self._monitor.poll(0):
            self._take(self._monitor.recv_multipart())
        return self.trouble

    def _take(self, frames: list[bytes]) -> None:
        (number, _) = struct.unpack("=HI", frames[0])
        if (words := _WORDS.get(number)) is not None:
            self.trouble = words
            self.is_refused = number == zmq.EVENT_HANDSHAKE_FAILED_AUTH
        elif number == zmq.EVENT_CONNECT_RETRIED:
            self._was_retried = True
        elif number == zmq.EVENT_DISCONNECTED and not self.trouble:
            self.trouble = "the connection is lost"

    def close(self) -> None:
        with suppress(zmq.ZMQError):
            self._socket.disable_monitor()
        self._monitor.close(0)

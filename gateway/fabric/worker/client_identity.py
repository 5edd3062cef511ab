"""Who a client is, as its REGISTER says it."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from gateway.fabric.wire import address
from gateway.fabric.wire.envelopes import Register
from gateway.fabric.wire.frames import VERSION

if TYPE_CHECKING:
    from gateway.fabric.wire.terms import Registration


class ClientIdentity:
    """A client of this process: two of them are never the same."""

    def __init__(self) -> None:
        self._instance = secrets.token_hex(8)
        self._place = address.place()

    def register(self, mine: Registration, revision: int, is_incumbent: bool) -> Register:
        """Return the REGISTER of a registration."""
        return Register(
            VERSION,
            mine.worker,
            mine.generation,
            mine.member,
            mine.credit,
            mine.pid or os.getpid(),
            self._place,
            self._instance,
            is_incumbent,
            revision,
            mine.bindings,
            mine.sends,
        )

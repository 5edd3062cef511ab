"""What becomes of a message while it arrives: kept, gathered, or thrown away.

What must be refused is decided at the command set; its data set is still received, in bounded
memory, and the response follows its last fragment: a peer that writes before it reads would
otherwise wait for us while we wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Incoming(Protocol):
    """One request from its command set to its last fragment, and what is done then."""

    @property
    def message_id(self) -> int | None:
        """None: not counted among the operations in flight."""

    def fragment(self, data: memoryview) -> None:
        """A piece of the data set; the view dies at the next `flush`."""

    def flush(self) -> None:
        """The views handed over so far are about to die."""

    def start(self) -> Coroutine[None, None, None] | None:
        """All was received: respond at once and return None, or return the work that will."""

    def cancel(self) -> None:
        """The peer wants no more of it (C-CANCEL, or A-RELEASE-RQ); where that means anything."""

    def discard(self) -> None:
        """The association ended before the message did."""


class Immediate:
    """A request whose response is known from its command set; a data set is thrown away."""

    message_id: int | None

    def __init__(self, message_id: int | None, respond: Callable[[], None]) -> None:
        self.message_id = message_id
        self._respond = respond

    def fragment(self, data: memoryview) -> None:
        """Thrown away."""

    def flush(self) -> None:
        """Nothing was kept."""

    def start(self) -> None:
        self._respond()

    def cancel(self) -> None:
        """It is answered at once anyway."""

    def discard(self) -> None:
        """Nothing was kept."""

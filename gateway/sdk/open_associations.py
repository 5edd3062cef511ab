"""The open associations of all acceptors, for a worker that shows them to an operator."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.sdk.assoc import AssociationProxy, decode
from gateway.sdk.command_sender import END_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.sdk.command_sender import Results, SendCommand

log = logging.getLogger("gateway.sdk")


class OpenAssociations:
    """Asks acceptors about their associations; its methods may be called from any thread.

    `acceptors` returns the names of all acceptors, `send_command` sends one of them a command.
    """

    def __init__(self, acceptors: Callable[[], Sequence[str]], send_command: SendCommand) -> None:
        self._acceptors = acceptors
        self._send_command = send_command

    def overview(self) -> tuple[int, list[dict[str, Any]]]:
        """Return the number of open connections, and a map for each of the latest.

        At most 1,000 of each acceptor. The keys are `acceptor`, `id`, `calling`, `called` (AE
        titles, empty before the A-ASSOCIATE-RQ), `address` (host and port), `state` (Sta1 to Sta13,
        PS3.8 9.2), `phase`, `seconds` since it was established or None, `received` and `sent`
        (bytes), `messages`, `instances`, and `waits_for`, which is in words.
        """
        total, found = 0, []
        for acceptor, told in self._ask_all("overview"):
            total += int(told.get("total", 0))
            found += [{**row, "acceptor": acceptor} for row in told.get("associations", ())]
        return total, found

    def established(self) -> list[AssociationProxy]:
        """Return the associations that are established at this moment."""
        return [
            decode(bytes(blob), self._send_command)  # type: ignore[arg-type]
            for _, told in self._ask_all("associations")
            for blob in told.get("associations", ())
        ]

    def trace(self, acceptor: str, association: str) -> Iterator[dict[str, Any]]:
        """Yield what passes over an association, every half second, until it ends.

        Each map has `records`, with `time` (seconds since 1970), `event`, `text`, and `length` or
        `state`; and `left_out`, the number of further ones. Close the generator to stop. Raises
        FabricError if there is no such association.
        """
        with closing(self._send(acceptor, association, "trace")) as results:
            for result in results:
                if "error" in result.payload:
                    raise FabricError(str(result.payload["error"]))
                yield result.payload

    def abort(self, acceptor: str, association: str) -> None:
        """Send an A-ABORT (PS3.8 7.3); nothing happens if the association has ended."""
        known = {"id": association, "acceptor": acceptor, "state": "established"}
        AssociationProxy(known, self._send_command).abort()

    def _ask_all(self, operation: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for acceptor in self._acceptors():
            try:
                with closing(self._send(acceptor, "", operation)) as results:
                    yield acceptor, next(results).payload
            except FabricError as error:
                log.warning("the associations of %s: %s", acceptor, error)

    def _send(self, acceptor: str, association: str, operation: str) -> Results:
        return self._send_command(acceptor, association, operation, {}, timeout=END_TIMEOUT)

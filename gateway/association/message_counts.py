"""The counts of one association, for the line that is logged at its end."""

from __future__ import annotations

import logging
from collections import Counter

from gateway.dimse.command_elements import CommandField

Counts = Counter[tuple[int, int]]
"""How many requests with a command field ended with a status."""
UNKNOWN = 0
"""The command field of all requests that have none of the standard's."""


class MessageCounts:
    """What passed over one association."""

    def __init__(self) -> None:
        self.performed: Counts = Counter()
        """Requests of the peer."""
        self.invoked: Counts = Counter()
        """Requests of this side."""
        self.log_level = logging.INFO
        """The level of that line."""

    @property
    def messages(self) -> int:
        """The requests that were answered, in both directions."""
        return self.performed.total() + self.invoked.total()

    @property
    def instances(self) -> int:
        """The C-STOREs that did not fail, in both directions."""
        return stored_instances(self.performed) + stored_instances(self.invoked)

    def statuses(self) -> str:
        """Return counts by command and status: `C-ECHO:0000=1 C-STORE:0000=10`; ours with `>`."""
        return " ".join(
            f"{mark}{command_name(command)}:{status:04X}={count}"
            for mark, counts in (("", self.performed), (">", self.invoked))
            for (command, status), count in sorted(counts.items())
        )


def stored_instances(counts: Counts) -> int:
    """Return the number of C-STOREs that did not fail: 0x0000 and warnings (PS3.4 B.2.3)."""
    return sum(
        count
        for (command, status), count in counts.items()
        if command == CommandField.C_STORE_RQ and (status == 0 or status >> 12 == 0xB)
    )


def command_name(command: int) -> str:
    """Return the standard's name of a request's service, as C-STORE."""
    if command == UNKNOWN:
        return "unknown"
    return CommandField(command).name.removesuffix("_RQ").replace("_", "-")

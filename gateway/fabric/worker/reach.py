"""Which acceptors of a gateway can be reached, and what the connections to another host say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.fabric.worker.connection_events import NOBODY, may_be_held_up

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.errors import FabricError
    from gateway.fabric.wire.gateway_places import FabricGateway
    from gateway.fabric.worker.link import Link

logger = logging.getLogger("gateway.fabric")


class Reach:
    """The acceptors that were silent. They are asked again, but delay no others."""

    def __init__(self, gateway: FabricGateway) -> None:
        self.gateway = gateway
        self.silent: set[str] = set()
        self._troubles: dict[str, str] = {}
        """What the last connection to each acceptor of another host said, once it failed."""

    def silenced(self, link: Link) -> None:
        """Take an acceptor for dead; the log says so once, and why."""
        trouble = "" if link.connection is None else link.connection.look()
        was_told = link.name in self.silent and trouble == self._troubles.get(link.name)
        if not self.gateway.is_remote or not was_told:
            why = f": {trouble}" if trouble else ""
            logger.warning("acceptor=%s is silent%s", link.name, why)
        self._troubles[link.name] = trouble
        self.silent.add(link.name)

    def heard(self, link: Link) -> None:
        self.silent.discard(link.name)
        self._troubles.pop(link.name, None)

    def within(self, links: Collection[Link]) -> list[Link]:
        """Return the acceptors that are not silent."""
        return [link for link in links if link.name not in self.silent]

    def lives(self, links: Collection[Link]) -> bool:
        """Return whether there is an acceptor that lives, silent or not."""
        return any(
            link.connection is None
            or link.name not in self.silent
            or may_be_held_up(self._trouble_of(link))
            for link in links
        )

    def refusal(self, links: Collection[Link]) -> FabricError | None:
        """Return what to say if an acceptor does not allow this worker's key."""
        for link in links:
            trouble = self._trouble_of(link)
            if link.connection is not None and link.connection.is_refused:
                return self.gateway.nobody(trouble)
        return None

    def nobody(self, why: str = "") -> FabricError:
        """Return the error that says why no acceptor was found.

        What listens there says more than that nothing listens where an acceptor might be.
        """
        said = [trouble for trouble in self._troubles.values() if trouble]
        told = next((trouble for trouble in said if trouble != NOBODY), NOBODY if said else "")
        return self.gateway.nobody(f"{told}; {why}" if told and why else told or why)

    def _trouble_of(self, link: Link) -> str:
        """Return what the connection says, or said last while the present one is too new."""
        if link.connection is None:
            return ""
        said = link.connection.look()
        return self._troubles.get(link.name, NOBODY) if link.connection.is_open else said

"""Which acceptors of a gateway can be reached, and what the connections to another host say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

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
        self._trouble = ""
        """What the last connection to another host that failed said."""

    def silenced(self, link: Link) -> None:
        """Take an acceptor for dead; the log says so once, and why."""
        trouble = _trouble_of(link)
        if not self.gateway.is_remote or link.name not in self.silent or trouble != self._trouble:
            why = f": {trouble}" if trouble else ""
            logger.warning("acceptor=%s is silent%s", link.name, why)
        self._trouble = trouble
        self.silent.add(link.name)

    def heard(self, link: Link) -> None:
        self.silent.discard(link.name)

    def within(self, links: Collection[Link]) -> list[Link]:
        """Return the acceptors that are not silent."""
        return [link for link in links if link.name not in self.silent]

    def lives(self, links: Collection[Link]) -> bool:
        """Return whether there is an acceptor that lives, silent or not."""
        return any(
            link.connection is None
            or link.name not in self.silent
            or (bool(_trouble_of(link)) and link.connection.is_connected)
            for link in links
        )

    def refusal(self, links: Collection[Link]) -> FabricError | None:
        """Return what to say if an acceptor does not allow this worker's key."""
        for link in links:
            trouble = _trouble_of(link)
            if link.connection is not None and link.connection.is_refused:
                return self.gateway.nobody(trouble)
        return None

    def nobody(self) -> FabricError:
        """Return the error that says why no acceptor was found."""
        return self.gateway.nobody(self._trouble)


def _trouble_of(link: Link) -> str:
    if link.connection is None:
        return ""
    link.connection.look()
    return link.connection.trouble

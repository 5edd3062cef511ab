"""The state that all associations of an acceptor process share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.acceptor.policy import policy_of
from gateway.association.timers import Timeouts

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.acceptor.watermark import Watermark
    from gateway.fabric.acceptor import Server
    from gateway.settings import AcceptorSettings
    from gateway.spool import Spool


class Shared:
    """Settings, policy, fabric and spool of one acceptor, and how many associations it has."""

    def __init__(
        self, settings: AcceptorSettings, fabric: Server, spool: Spool, watermark: Watermark
    ) -> None:
        self.settings = settings
        self.policy = policy_of(settings)
        self.timeouts = Timeouts.of(settings.association)
        self.fabric = fabric
        self.spool = spool
        self.watermark = watermark
        self.draining = False
        """The acceptor is shutting down: nothing new is begun."""
        self.established = 0
        """Associations that are open."""
        self.topics: Collection[str] = ()
        """The notification events that somebody watches."""

    @property
    def is_full(self) -> bool:
        """Whether the limit of associations is reached."""
        return self.established >= self.settings.association.max_associations

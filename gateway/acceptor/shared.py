"""The state that all associations of an acceptor process share."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.acceptor.budget import Budget
from gateway.acceptor.places import Board, Places
from gateway.acceptor.policy import policy_of
from gateway.acceptor.shares import Origins, Pace
from gateway.acceptor.stages import StageTimes
from gateway.association.timers import Timeouts
from gateway.listening.balancers import HealthChecks
from gateway.metrics import Metrics
from gateway.policy_rules import Permit
from gateway.tls import end_of, warning_about

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.acceptor.watermark import Watermark
    from gateway.fabric.acceptor import Server
    from gateway.policy_settings import PolicyRule
    from gateway.settings import AcceptorSettings
    from gateway.spool import Spool
    from gateway.ul.negotiation import Policy


log = logging.getLogger("gateway.acceptor")


class Shared:
    """Settings, policy, fabric and spool of one acceptor, and the limits on its associations."""

    def __init__(
        self, settings: AcceptorSettings, fabric: Server, spool: Spool, watermark: Watermark
    ) -> None:
        self.fabric = fabric
        self.spool = spool
        self.watermark = watermark
        self.draining = False
        """The acceptor is shutting down: nothing new is begun."""
        self.drained = False
        """An operator has new associations rejected for a while."""
        board = Board(Path(settings.run_dir), settings.index, settings.acceptors)
        self.places = Places(board, settings.association.max_associations, settings.limits)
        """The associations that are established."""
        self.budget = Budget(0)
        """The bytes of what is gathered in memory."""
        self.metrics = Metrics()
        """What this acceptor measures."""
        self.stages = StageTimes(self.metrics)
        self.health_checks = HealthChecks(settings.acceptors)
        self.topics: Collection[str] = ()
        """The notification events that somebody watches."""
        self.adopt(settings)

    def adopt(self, settings: AcceptorSettings) -> None:
        """Use these settings from now on; open associations keep what they negotiated."""
        limits = settings.limits
        self.settings = settings
        self.policy = policy_of(settings, self.fabric)
        self._policies: dict[PolicyRule, Policy] = {}
        self.timeouts = Timeouts.of(settings.association, limits)
        self.origins = Origins((*limits.trusted, *settings.balancers))
        self.places.change_limits(settings.association.max_associations, limits)
        self.budget.limit = max(limits.gathered // settings.acceptors, limits.data_set)
        certificate = settings.tls.certificate
        self.certificate_end = end_of(certificate) if certificate else 0.0
        """When the certificate ends, in seconds since the epoch; 0.0: there is none."""
        if certificate and (text := warning_about(certificate)):
            log.warning("%s", text)
        self.watermark.refuse_below = settings.spool.refuse_below
        rate = limits.instances_per_second
        self.pace = Pace(rate / settings.acceptors) if rate else None
        """How fast instances may come from an address; None: as fast as they can."""

    def policy_for(self, rule: PolicyRule | None) -> Policy:
        """Return the rules of negotiation with a peer that a rule of `[[policy.rules]]` let in."""
        if rule is None:
            return self.policy
        if rule not in self._policies:
            permit = Permit(rule)
            self._policies[rule] = replace(
                self.policy, permits=permit.roles, permitted_syntaxes=permit.syntaxes
            )
        return self._policies[rule]

    @property
    def knows_workers(self) -> bool:
        """Whether contexts can be negotiated: an AE states its own, workers are asked for theirs.

        Right after the start it is not known for a moment what the configured workers serve.
        """
        return bool(self.settings.contexts) or self.fabric.knows_workers

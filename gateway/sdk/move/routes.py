"""The destinations of C-MOVE, and the ways there from the worker's process (PS3.4 C.4.2)."""

from __future__ import annotations

import logging
import threading
from operator import index
from typing import TYPE_CHECKING, Any

from gateway.requestor.proposal import Address
from gateway.requestor.sync import Requestor
from gateway.sdk.move.destination import DestinationAssociation, NoRoute, Pair, StartedStore
from gateway.settings import Destination

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.requestor.proposal import Contexts, Proposal
    from gateway.requestor.sync import BlockingAssociation

__all__ = ["NoRoute", "Route", "Routes", "StartedStore"]

log = logging.getLogger("gateway.sdk")

_DEFAULTS = Destination("", 0)
_OURS = frozenset({"associations", "operations"})
_OPTIONS = frozenset({"ae_title", "contexts", "max_pdu", "bind_address", "tls_args"}) | _OURS
_IGNORED = frozenset({"ext_neg", "evt_handlers"})


class Routes:
    """The destination table, and the thread that associations live in."""

    def __init__(self, destinations: Mapping[str, Destination] | None = None) -> None:
        self._destinations = destinations or {}
        self._lock = threading.Lock()
        self._requestor: Requestor | None = None

    def named(self, name: str) -> tuple[str, int, dict[str, Any]] | None:
        """Where the table has the AE title `name`."""
        found = self._destinations.get(name.strip())
        if found is None:
            return None
        options = {"associations": found.associations, "operations": found.operations}
        return found.host, found.port, {"ae_title": found.ae_title or name.strip(), **options}

    def to(
        self, address: tuple[str, int], options: dict[str, Any], titles: tuple[str, str]
    ) -> Route:
        """A route; `titles` are the calling and the called AE title.

        `options` are pynetdicom's, and `associations` and `operations` as in the table. Raises
        TypeError or ValueError for options that make no sense.
        """
        if ignored := _IGNORED & options.keys():
            log.warning("a C-MOVE destination's %s have no effect here", ", ".join(sorted(ignored)))
        unknown = options.keys() - _OPTIONS - _IGNORED
        if unknown:
            raise TypeError(f"a destination has no {', '.join(sorted(map(str, unknown)))}")
        context, server_name = options.get("tls_args") or (None, None)
        where = Address(*address, context, server_name, options.get("bind_address"))
        associations = _number(options, "associations", _DEFAULTS.associations)
        operations = _number(options, "operations", _DEFAULTS.operations)
        calling, called = titles
        proposal: dict[str, Any] = {
            "calling_ae_title": calling,
            "called_ae_title": str(options.get("ae_title") or called),
            "async_ops": (operations, 1) if operations > 1 else None,
        }
        if options.get("max_pdu") is not None:
            proposal["max_pdu"] = options["max_pdu"]
        return Route(self, where, proposal, _own(options.get("contexts")), associations)

    def associate(self, address: Address, proposal: Proposal) -> BlockingAssociation:
        with self._lock:
            if self._requestor is None:
                self._requestor = Requestor()
            requestor = self._requestor
        return requestor.associate(address, proposal)

    def close(self) -> None:
        """Associations that still live are lost."""
        with self._lock:
            requestor, self._requestor = self._requestor, None
        if requestor is not None:
            requestor.close()


class Route:
    """What a C-MOVE sends to its destination: over one lane, or over several at once.

    A lane more is made when all others are busy. One that cannot be had is done without.
    """

    def __init__(
        self,
        routes: Routes,
        address: Address,
        proposal: dict[str, Any],
        own: Contexts | None,
        associations: int = 1,
    ) -> None:
        self._lane = routes.associate, address, proposal, own, dict[Pair, None]()
        self._lanes = [DestinationAssociation(*self._lane)]
        self._more = associations - 1
        """Lanes that may still be made."""
        self._was_reached = False

    @property
    def was_reached(self) -> bool:
        """There was an association."""
        return self._was_reached or any(lane.was_reached for lane in self._lanes)

    @property
    def is_full(self) -> bool:
        """One C-STORE more would have to wait."""
        return not self._more and all(lane.is_full for lane in self._lanes)

    def begin(self, what: Any, originator: tuple[str, int]) -> StartedStore:
        """C-STORE a data set, file or claim; a file is read from now on, until it is answered.

        Raises NoRoute if there is no association, and GatewayError, OSError or what pydicom raises
        for what cannot be sent.
        """
        while True:
            lane = self._next()
            try:
                return lane.begin(what, originator)
            except NoRoute as error:
                if len(self._lanes) == 1:
                    raise
                log.warning("one association less: %s", error)
                self._was_reached |= lane.was_reached
                self._lanes.remove(lane)
                self._more = 0

    def _next(self) -> DestinationAssociation:
        """The lane that is to take the next one."""
        best = min(self._lanes, key=lambda lane: (lane.is_full, lane.on_their_way))
        if best.on_their_way and self._more:
            self._more -= 1
            best = DestinationAssociation(*self._lane)
            self._lanes.append(best)
        return best

    def release(self) -> None:
        """Release what lives, once everything is answered."""
        for lane in self._lanes:
            lane.release()

    def abort(self) -> None:
        """The operation ends early."""
        for lane in self._lanes:
            lane.abort()


def _number(options: Mapping[str, Any], name: str, default: int) -> int:
    number = index(options.get(name, default))
    if not 1 <= number <= 0xFFFF:
        raise ValueError(f"a destination with {number} {name}")
    return number


def _own(given: Any) -> Contexts | None:
    """Pynetdicom's presentation contexts as they are proposed."""
    if not given:
        return None
    return tuple((str(c.abstract_syntax), tuple(str(t) for t in c.transfer_syntax)) for c in given)

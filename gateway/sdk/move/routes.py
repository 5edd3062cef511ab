"""The destinations of C-MOVE, and the associations that lead there (PS3.4 C.4.2)."""

from __future__ import annotations

import logging
import threading
from operator import index
from typing import TYPE_CHECKING, Any

from gateway.requestor.incoming import refuse
from gateway.requestor.proposal import Address, Proposal
from gateway.requestor.sync import Requestor
from gateway.sdk.move.destination import DestinationAssociation, NoRoute, StartedStore
from gateway.settings import Destination, TlsSettings
from gateway.tls import destination_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Mapping

    from gateway.association.timers import Timeouts
    from gateway.requestor.incoming import Handler
    from gateway.requestor.plan import Pair
    from gateway.requestor.proposal import Contexts
    from gateway.requestor.sync import BlockingAssociation
    from gateway.sdk.move.destination import Fitting
    from gateway.sdk.move.store_queue import Originator, StoreQueue

__all__ = ["NoRoute", "Route", "Routes", "StartedStore"]

log = logging.getLogger("gateway.sdk")

_DEFAULTS = Destination("", 0)
_OURS = frozenset({"associations", "operations", "expected", "fitting"})
_OPTIONS = frozenset({"ae_title", "contexts", "max_pdu", "bind_address", "tls_args"}) | _OURS
_IGNORED = frozenset({"ext_neg", "evt_handlers"})


class Routes:
    """The table of destinations, and the thread that runs the associations."""

    def __init__(
        self,
        destinations: Mapping[str, Destination] | None = None,
        timeouts: Timeouts | None = None,
        tls: TlsSettings | None = None,
    ) -> None:
        self.change(destinations or {}, timeouts, tls)
        self._lock = threading.Lock()
        self._ends: dict[tuple[str, int], float] = {}
        """When the certificates of destinations end, by their address."""
        self._requestor: Requestor | None = None

    def change(
        self,
        destinations: Mapping[str, Destination],
        timeouts: Timeouts | None,
        tls: TlsSettings | None = None,
    ) -> None:
        """Use another table for each C-MOVE that begins from now on.

        Raises ConfigError, and changes nothing, if a certificate cannot be loaded.
        """
        ours = tls or TlsSettings()
        contexts = {
            name: destination_context(one, ours) for name, one in destinations.items() if one.is_tls
        }
        self._contexts, self._destinations, self._timeouts = contexts, destinations, timeouts

    def destination(self, name: str) -> Destination | None:
        """Return the entry of an AE title in the table; None if it is not there."""
        return self._destinations.get(name.strip())

    def named(self, name: str) -> tuple[str, int, dict[str, Any]] | None:
        """Return host, port and options of an AE title in the table; None if it is not there.

        Nor is a DICOMweb service: no association leads there.
        """
        found = self.destination(name)
        if found is None or found.url:
            return None
        options: dict[str, Any] = {
            "associations": found.associations,
            "operations": found.operations,
        }
        if found.tls:
            options["tls_args"] = self._contexts[name.strip()], found.tls_name or found.host
        return found.host, found.port, {"ae_title": found.ae_title or name.strip(), **options}

    def tls_of(self, name: str) -> ssl.SSLContext | None:
        """Return the TLS context for an entry of the table; None if it is reached without TLS."""
        return self._contexts.get(name.strip())

    @property
    def timeouts(self) -> Timeouts | None:
        """The limits on waits for destinations; None: the defaults."""
        return self._timeouts

    def to(
        self, address: tuple[str, int], options: dict[str, Any], titles: tuple[str, str]
    ) -> Route:
        """Return a route; `titles` are the calling and the called AE title.

        `options` are pynetdicom's, `associations` and `operations` as in the table, `expected`:
        pairs of SOP class and transfer syntax that will be sent, the most frequent ones first, and
        `fitting`: what makes files fit the contexts that are accepted.
        Raises TypeError or ValueError for options that make no sense.
        """
        if ignored := _IGNORED & options.keys():
            log.warning("ignored options of a C-MOVE destination: %s", ", ".join(sorted(ignored)))
        unknown = options.keys() - _OPTIONS - _IGNORED
        if unknown:
            raise TypeError(f"unknown options: {', '.join(sorted(map(str, unknown)))}")
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
        own, expected = _own(options.get("contexts")), _pairs(options.get("expected"))
        route = Route(self, where, proposal, own, associations, expected)
        route.use(options.get("fitting"))
        return route

    def association(self, name: str, calling: str, operations: int = 0) -> DestinationAssociation:
        """Return an association to an AE title in the table, established when it is needed.

        `operations`: C-STOREs in flight; 0: as in the table. Raises LookupError if the title is not
        in the table.
        """
        found = self.named(name)
        if found is None:
            raise LookupError(f"[destinations] has no {name!r}")
        host, port, options = found
        if operations:
            options["operations"] = operations
        return self.to((host, port), options, (calling, name)).another()

    def connect(
        self, name: str, calling: str, contexts: Contexts, handler: Handler | None = None
    ) -> BlockingAssociation:
        """Return an established association to an AE title in the table.

        Raises LookupError if the title is not in the table, and AssociationError.
        """
        found = self.named(name)
        if found is None:
            raise LookupError(f"[destinations] has no {name!r}")
        host, port, options = found
        context, server_name = options.get("tls_args") or (None, None)
        proposal = Proposal(contexts, calling, str(options["ae_title"]))
        address = Address(host, port, context, server_name)
        return self.associate(address, proposal, handler)

    def associate(
        self, address: Address, proposal: Proposal, handler: Handler | None = None
    ) -> BlockingAssociation:
        with self._lock:
            if self._requestor is None:
                self._requestor = Requestor()
            requestor = self._requestor
        association = requestor.associate(
            address, proposal, timeouts=self._timeouts, handler=handler or refuse
        )
        if address.tls is not None:
            self._ends[address.host, address.port] = association.certificate_end
        return association

    def certificate_end(self, name: str) -> float:
        """Return when the certificate that a destination has shown last ends.

        In seconds since the epoch; 0.0: it has shown none to this process.
        """
        found = self.destination(name)
        return self._ends.get((found.host, found.port), 0.0) if found is not None else 0.0

    def show_certificate(self, name: str, end: float) -> None:
        """Take note of when the certificate of a destination ends; 0.0: it has none."""
        found = self.destination(name)
        if found is not None:
            self._ends[found.host, found.port] = end

    def close(self) -> None:
        """End the thread; associations that are still open are lost."""
        with self._lock:
            requestor, self._requestor = self._requestor, None
        if requestor is not None:
            requestor.close()


class Route:
    """The associations of one C-MOVE to its destination.

    Another one is established when all others are busy, up to a limit. If the destination does not
    accept it, the C-MOVE goes on with the existing ones.
    """

    def __init__(
        self,
        routes: Routes,
        address: Address,
        proposal: dict[str, Any],
        own: Contexts | None,
        associations: int = 1,
        expected: Iterable[Pair] = (),
    ) -> None:
        self._arguments = routes.associate, address, proposal, own, dict.fromkeys(expected)
        self._fitting: Fitting | None = None
        self._associations = [self.another()]
        self._more = associations - 1
        """Associations that may still be added."""
        self._was_reached = False

    @property
    def was_reached(self) -> bool:
        """Whether an association was established at some time."""
        return self._was_reached or any(one.was_reached for one in self._associations)

    @property
    def is_full(self) -> bool:
        """Whether one more C-STORE would have to wait."""
        return not self._more and all(one.is_full for one in self._associations)

    def another(self) -> DestinationAssociation:
        """Return a further association to the destination, which the caller uses alone."""
        made = DestinationAssociation(*self._arguments)
        made.fitting = self._fitting
        return made

    def use(self, fitting: Fitting | None) -> None:
        """Make files fit the contexts that are accepted by a rule of its own."""
        self._fitting = fitting
        for association in self._associations:
            association.fitting = fitting

    takes_lists = True
    """Whether `drain` can be called."""

    def begin(self, instance: Any, originator: tuple[str, int] | None) -> StartedStore:
        """Send a data set, file or claim by C-STORE; a file is read until the response has arrived.

        Raises NoRoute if there is no association, and GatewayError, OSError or what pydicom raises
        for what cannot be sent.
        """
        while True:
            association = self._next()
            try:
                return association.begin(instance, originator)
            except NoRoute as error:
                self._do_without(association, error)

    def drain(self, queue: StoreQueue, pair: Pair, originator: Originator) -> None:
        """Let the associations take instances out of a queue; `pair` is the kind of the first one.

        Raises NoRoute if there is no association.
        """
        for association in self._for_lanes(queue):
            try:
                association.drain(queue, pair, originator)
            except NoRoute as error:
                self._do_without(association, error)

    def _for_lanes(self, queue: StoreQueue) -> Iterator[DestinationAssociation]:
        """Yield associations, and further ones, as long as there are instances without a lane."""
        for association in tuple(self._associations):
            if queue.unattended <= 0:
                return
            yield association
        while self._more and queue.unattended > 0:
            self._more -= 1
            self._associations.append(self.another())
            yield self._associations[-1]

    def _do_without(self, association: DestinationAssociation, error: NoRoute) -> None:
        """Go on with one association less; raise the error if it was the only one."""
        if len(self._associations) == 1:
            raise error
        log.warning("C-MOVE goes on with one association less: %s", error)
        self._was_reached |= association.was_reached
        self._associations.remove(association)
        self._more = 0

    def _next(self) -> DestinationAssociation:
        """Return the association for the next C-STORE: the least busy one, or a new one."""
        best = min(self._associations, key=lambda one: (one.is_full, one.in_flight))
        if best.in_flight and self._more:
            self._more -= 1
            best = self.another()
            self._associations.append(best)
        return best

    def release(self) -> None:
        """Release the associations after the last response."""
        for association in self._associations:
            association.release()

    def abort(self) -> None:
        """Abort the associations: the operation ends early."""
        for association in self._associations:
            association.abort()


def _number(options: Mapping[str, Any], name: str, default: int) -> int:
    number = index(options.get(name, default))
    if not 1 <= number <= 0xFFFF:
        raise ValueError(f"{name} must be 1 to 65535, not {number}")
    return number


def _own(given: Any) -> Contexts | None:
    """Return the contexts to propose, from pynetdicom's presentation contexts."""
    if not given:
        return None
    return tuple((str(c.abstract_syntax), tuple(str(t) for t in c.transfer_syntax)) for c in given)


def _pairs(given: Any) -> list[Pair]:
    """Return pairs of UIDs; raise TypeError or ValueError for anything else."""
    return [(str(sop_class), str(syntax)) for sop_class, syntax in given or ()]

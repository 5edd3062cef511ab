"""Associations to the destinations of C-MOVE, opened from the worker's process (PS3.4 C.4.2)."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from pydicom.dataset import Dataset

from gateway.errors import GatewayError
from gateway.presentation import StoragePresentationContexts
from gateway.requestor.datasets import convert
from gateway.requestor.errors import AssociationError
from gateway.requestor.plan import CONVERTIBLE
from gateway.requestor.proposal import UNCOMPRESSED, Address, Proposal
from gateway.requestor.sync import Requestor
from gateway.sdk import contexts
from gateway.sdk.contexts import Accepted, NoContext
from gateway.uid import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.presentation import PresentationContext
    from gateway.requestor.files import Instance
    from gateway.requestor.sync import Association
    from gateway.settings import Destination

log = logging.getLogger("gateway.sdk")

Pair: TypeAlias = tuple[str, str]
"""SOP class and transfer syntax."""
MAX_CONTEXTS = 128
RECONNECTS = 3
"""Associations in place of ones that the destination ended."""
_OPTIONS = frozenset({"ae_title", "contexts", "max_pdu", "bind_address", "tls_args"})
_IGNORED = frozenset({"ext_neg", "evt_handlers"})


class NoRoute(GatewayError):  # noqa: N818 - a state, not only an error
    """The destination is not known, or no association with it could be had."""


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
        return found.host, found.port, {"ae_title": found.ae_title or name.strip()}

    def to(
        self, address: tuple[str, int], options: dict[str, Any], titles: tuple[str, str]
    ) -> Route:
        """A route; `titles` are the calling and the called AE title, `options` pynetdicom's.

        Raises TypeError or ValueError for options that make no sense.
        """
        if ignored := _IGNORED & options.keys():
            log.warning("a C-MOVE destination's %s have no effect here", ", ".join(sorted(ignored)))
        unknown = options.keys() - _OPTIONS - _IGNORED
        if unknown:
            raise TypeError(f"a destination has no {', '.join(sorted(map(str, unknown)))}")
        context, server_name = options.get("tls_args") or (None, None)
        where = Address(*address, context, server_name, options.get("bind_address"))
        calling, called = titles
        proposal = {
            "calling_ae_title": calling,
            "called_ae_title": str(options.get("ae_title") or called),
        }
        if options.get("max_pdu") is not None:
            proposal["max_pdu"] = options["max_pdu"]
        return Route(self, where, proposal, _own(options.get("contexts")))

    def associate(self, address: Address, proposal: Proposal) -> Association:
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
    """At the most one association at a time to a destination, made when it is needed.

    It proposes what is to be sent, and the usual storage SOP classes beside. When something comes
    that was not proposed, another one that proposes everything so far takes its place: some
    destinations serve one association at a time.
    """

    def __init__(
        self,
        routes: Routes,
        address: Address,
        proposal: dict[str, Any],
        own: tuple[tuple[str, tuple[str, ...]], ...] | None,
    ) -> None:
        self._routes = routes
        self._address = address
        self._proposal = proposal
        self._own = own
        """The contexts that the handler wants, and no others."""
        self._wanted: dict[Pair, None] = {}
        self._association: Association | None = None
        self._chances = RECONNECTS + 1
        self.was_reached = False
        """There was an association."""

    def store(self, what: Any, originator: tuple[str, int]) -> tuple[str, int]:
        """C-STORE a data set, file or claim; gives its SOP Instance UID and the response's status.

        Raises NoRoute if there is no association, and GatewayError, OSError or what pydicom raises
        for what cannot be sent.
        """
        pair = self._pair_of(what)
        association = self._association_for(pair)
        try:
            instance = _fitted(what, _accepted(association))
        except NoContext as error:
            raise GatewayError(f"{name_of(pair[0])}: {error}") from error
        answered = association.c_store(instance, originator=originator)
        return instance.sop_instance_uid, answered.status

    def release(self) -> None:
        """Release the association, if there is one."""
        association, self._association = self._association, None
        if association is None or association.ended is not None:
            return
        try:
            association.release()
        except AssociationError as error:
            log.warning("destination=%s the release failed: %s", self._address, error)

    def abort(self) -> None:
        """The operation ends early."""
        association, self._association = self._association, None
        if association is not None and association.ended is None:
            try:
                association.abort()
            except AssociationError as error:
                log.warning("destination=%s the abort failed: %s", self._address, error)

    def _pair_of(self, what: Any) -> Pair:
        if isinstance(what, Dataset):
            return str(what.SOPClassUID), contexts.syntax_of(what)
        instance = contexts.instance_in(what)
        return instance.sop_class_uid, instance.transfer_syntax_uid

    def _association_for(self, pair: Pair) -> Association:
        association = self._association
        if association is not None and association.ended is None:
            if self._own is not None or pair in self._wanted or _fits(association, pair):
                return association
            self.release()
            self._chances += 1
        self._wanted[pair] = None
        if not self._chances:
            raise NoRoute(f"the destination {self._address} is not tried again")
        self._chances -= 1
        proposal = Proposal(self._own or self._contexts(), **self._proposal)
        try:
            self._association = association = self._routes.associate(self._address, proposal)
        except (GatewayError, OSError) as error:
            self._chances = 0
            raise NoRoute(f"no association with {self._address}: {error}") from error
        self.was_reached = True
        return association

    def _contexts(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        wanted = [(sop_class, (syntax,)) for sop_class, syntax in self._wanted]
        usual = [str(c.abstract_syntax) for c in _storage()]
        mine = [sop_class for sop_class, syntax in self._wanted if syntax in CONVERTIBLE]
        others = [(uid, UNCOMPRESSED) for uid in dict.fromkeys((*mine, *usual))]
        return tuple((*wanted, *others)[:MAX_CONTEXTS])


def _storage() -> list[PresentationContext]:
    return list(StoragePresentationContexts)


def _accepted(association: Association) -> list[Accepted]:
    return [
        Accepted(c.id, c.abstract_syntax, c.transfer_syntax)
        for c in association.accepted_contexts.values()
        if c.as_scu
    ]


def _fits(association: Association, pair: Pair) -> bool:
    sop_class, syntax = pair
    syntaxes = {c.transfer_syntax for c in _accepted(association) if c.abstract_syntax == sop_class}
    return syntax in syntaxes or (syntax in CONVERTIBLE and not syntaxes.isdisjoint(CONVERTIBLE))


def _fitted(what: Any, accepted: list[Accepted]) -> Instance:
    """The instance as one of the contexts takes it; files only decoded if there is no other way."""
    if isinstance(what, Dataset):
        return contexts.encode_for(what, accepted)[1]
    instance = contexts.instance_in(what)
    sop_class, syntax = instance.sop_class_uid, instance.transfer_syntax_uid
    if contexts.find_exact(accepted, sop_class, syntax) is not None:
        return instance
    if syntax in CONVERTIBLE:
        for other in CONVERTIBLE:
            if contexts.find_exact(accepted, sop_class, other) is not None:
                return convert(instance, other)
    raise NoContext(f"the destination does not accept {name_of(sop_class)} in {name_of(syntax)}")


def _own(given: Any) -> tuple[tuple[str, tuple[str, ...]], ...] | None:
    """Pynetdicom's presentation contexts as they are proposed."""
    if not given:
        return None
    return tuple((str(c.abstract_syntax), tuple(str(t) for t in c.transfer_syntax)) for c in given)

"""The application entity: its associations in the requestor role, and its servers."""

from __future__ import annotations

import logging
import ssl
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from gateway.datasets.coding import any_uid
from gateway.facade import argument_checks as checks
from gateway.facade import debugging, flags
from gateway.facade.association import Association
from gateway.facade.association_server import AssociationServer
from gateway.facade.entity_contexts import EntityContexts
from gateway.facade.entity_settings import DEFAULT_MAX_LENGTH, EntitySettings
from gateway.facade.handlers import Handlers
from gateway.facade.negotiation_items import proposal_options
from gateway.facade.pynetdicom_names import no_name
from gateway.requestor import Address, Proposal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.facade.argument_checks import SocketAddress
    from gateway.facade.handlers import EventHandler
    from gateway.facade.negotiation_items import Item
    from gateway.facade.presentation_contexts import PresentationContext
    from gateway.sdk.assoc import AssociationProxy

log = logging.getLogger("gateway.facade")


class AE(EntitySettings, EntityContexts):
    """A DICOM application entity: service class user, service class provider, or both.

    Titles, limits and timeouts hold for associations that begin afterwards, also those of servers
    that run already; contexts and the title of a server are those of its start.
    """

    def __init__(self, ae_title: str = "PYNETDICOM") -> None:
        self._associations: list[Association] = []
        self._servers: list[AssociationServer] = []
        self._lock = threading.Lock()
        EntitySettings.__init__(self, ae_title)
        EntityContexts.__init__(self)

    def associate(  # noqa: PLR0913, PLR0917 - pynetdicom's
        self,
        addr: str | tuple[str, int, int],
        port: int,
        contexts: list[PresentationContext] | None = None,
        ae_title: str = "ANY-SCP",
        max_pdu: int = DEFAULT_MAX_LENGTH,
        ext_neg: Iterable[Item] | None = None,
        bind_address: SocketAddress | None = None,
        tls_args: tuple[ssl.SSLContext, str | None] | None = None,
        evt_handlers: Iterable[EventHandler] | None = None,
    ) -> Association:
        """Request an association (PS3.8 7.1) and return it, established or not.

        Its `is_established` tells, and `ended` says why not.

        Args:
            addr: a host name or IP address; (address, flowinfo, scope_id) for IPv6.
            port: of the peer, 1 to 65535.
            contexts: 1 to 128 presentation contexts; by default `requested_contexts`.
            ae_title: the called AE title.
            max_pdu: the longest P-DATA-TF that this side receives, in bytes; 0: any.
            ext_neg: items of `gateway.pdu_primitives`, and what `build_role` returns.
            bind_address: the local address to connect from.
            tls_args: an SSLContext, and the name that the peer's certificate must be for or None.
            evt_handlers: (event, handler) or (event, handler, list of further arguments).

        Raises:
            RuntimeError: no context was requested.
            TypeError, ValueError: an argument is not valid.
        """
        proposed = contexts or self._requested
        checks.contexts(proposed)
        address = _address(addr, port, bind_address, tls_args)
        if not proposed:
            raise RuntimeError(
                "At least one requested presentation context is required before associating "
                "with a peer"
            )
        options = {**self._own_options(max_pdu), **proposal_options(ext_neg or ())}
        proposal = Proposal(
            tuple((str(c.abstract_syntax), tuple(map(str, c.transfer_syntax))) for c in proposed),
            calling_ae_title=self.ae_title,
            called_ae_title=checks.ae_title(ae_title),
            **options,
        )
        handlers = Handlers(evt_handlers)
        debugging.show(handlers)
        assoc = Association(self, address, proposal, handlers)
        with self._lock:
            self._associations = [a for a in self._associations if a.ended is None]
            self._associations.append(assoc)
        assoc.request(address)
        return assoc

    def _own_options(self, max_pdu: int) -> dict[str, Any]:
        return {
            "max_pdu": max_pdu,
            "implementation_class_uid": str(self.implementation_class_uid),
            "implementation_version_name": self.implementation_version_name or "",
        }

    def _requested_associations(self) -> list[Association]:
        with self._lock:
            return [assoc for assoc in self._associations if assoc.is_established]

    def _tell_servers(self) -> None:
        for server in tuple(self._servers):
            server.adopt_settings()

    @property
    def active_associations(self) -> list[Association | AssociationProxy]:
        """The established associations in both roles."""
        servers = tuple(self._servers)
        accepted = [assoc for server in servers for assoc in server.active_associations]
        return [*self._requested_associations(), *accepted]

    def start_server(
        self,
        address: SocketAddress,
        block: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: Iterable[EventHandler] | None = None,
        ae_title: str | None = None,
        contexts: list[PresentationContext] | None = None,
    ) -> AssociationServer | None:
        """Accept associations in an acceptor process; the handlers run in this process.

        With `block`, return None after Ctrl-C. Otherwise return the server once it accepts
        associations. Arguments and errors are those of `make_server`; raises RuntimeError if the
        acceptor does not start.
        """
        server = self.make_server(address, ae_title, contexts, ssl_context, evt_handlers)
        if not block:
            server.start()
            return server
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.shutdown()
        return None

    def make_server(
        self,
        address: SocketAddress,
        ae_title: str | None = None,
        contexts: list[PresentationContext] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: Iterable[EventHandler] | None = None,
        server_class: type[AssociationServer] | None = None,
        **kwargs: Any,
    ) -> AssociationServer:
        """Return a server that has its port and waits for `serve_forever` or `start`.

        Args:
            address: (host, port); host "" is any address, port 0 any free port.
            ae_title: of the server; by default the AE's.
            contexts: presentation contexts to accept; by default `supported_contexts`.
            ssl_context: as `gateway.tls_context` makes it, for TLS.
            evt_handlers: (event, handler) or (event, handler, list of further arguments).
            server_class: a subclass of AssociationServer.
            **kwargs: further arguments of the server class.

        Raises:
            ValueError: there are no contexts, or an argument is not valid.
            TypeError: an argument has a wrong type, or a handler can never be called.
            OSError: the address cannot be listened at; the text says why.
        """
        supported = contexts or self.supported_contexts
        if not supported and not flags.UNRESTRICTED_STORAGE_SERVICE:
            raise ValueError(
                "No supported Presentation Contexts have been defined: add_supported_context"
            )
        checks.contexts(supported, limit=len(supported))
        checks.roles(supported)
        if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
            raise TypeError(f"'ssl_context' must be ssl.SSLContext, not {ssl_context!r:.80}")
        title = checks.ae_title(ae_title or self.ae_title)
        if "request_handler" in kwargs and server_class is None:
            raise TypeError(
                "make_server has no request_handler: connections are accepted by another process; "
                "bind handlers to EVT_CONN_OPEN and the like"
            )
        server = (server_class or AssociationServer)(
            self, address, title, supported, ssl_context, evt_handlers, **kwargs
        )
        with self._lock:
            self._servers = [server, *(s for s in self._servers if not s.is_shut_down)]
        return server

    def shutdown(self) -> None:
        """Abort all associations and shut down all servers; return when they are gone."""
        for assoc in self.active_associations:
            assoc.abort()
        for server in tuple(self._servers):
            server.shutdown()

    def __str__(self) -> str:
        lines = ["", f"Application Entity {self.ae_title}", ""]
        lines += ["  Requested Presentation Contexts:"]
        lines += _listed(self._requested)
        lines += ["", "  Supported Presentation Contexts:", *_listed(self.supported_contexts), ""]
        lines += [
            f"  {name} timeout: {value} s"
            for name, value in (
                ("ACSE", self.acse_timeout),
                ("DIMSE", self.dimse_timeout),
                ("Network", self.network_timeout),
                ("Connection", self.connection_timeout),
            )
        ]
        lines.append("")
        if self.require_calling_aet:
            lines.append(f"  Required calling AE title(s): {', '.join(self.require_calling_aet)}")
        lines += [f"  Require called AE title: {self.require_called_aet}", ""]
        active = self.active_associations
        lines.append(f"  Association(s): {len(active)}/{self.maximum_associations}")
        return "\n".join([*lines, *map(_peer, active)])


ApplicationEntity = AE


def _peer(assoc: Association | AssociationProxy) -> str:
    peer: Any = assoc.acceptor if assoc.is_requestor else assoc.requestor
    return f"\tPeer: {peer.ae_title} on {peer.address}:{peer.port}"


def _listed(contexts: Sequence[PresentationContext]) -> list[str]:
    lines = []
    for context in contexts:
        lines.append(f"\t{context!r}")
        lines += [f"\t\t{any_uid(str(syntax)).name}" for syntax in context.transfer_syntax]
    return lines or ["\tNone"]


def _address(
    addr: Any, port: Any, bind_address: Any, tls_args: tuple[ssl.SSLContext, str | None] | None
) -> Address:
    if isinstance(addr, tuple):
        is_address = len(addr) == 3 and isinstance(addr[0], str)
        if not (is_address and all(isinstance(number, int) for number in addr[1:])):
            raise TypeError("'addr' must be str or tuple[str, int, int]")
        addr = f"{addr[0]}%{addr[2]}" if addr[2] else addr[0]
    if not isinstance(addr, str):
        raise TypeError("'addr' must be str or tuple[str, int, int]")
    if not isinstance(port, int):
        raise TypeError("'port' must be int")
    bind = None
    if bind_address is not None:
        host, local_port, *_ = checks.address(bind_address, "bind_address")
        bind = (host, local_port) if host or local_port else None
    tls, name = tls_args if tls_args is not None else (None, None)
    if tls is not None and not isinstance(tls, ssl.SSLContext):
        raise TypeError("'tls_args' must be (ssl.SSLContext, server_hostname or None)")
    return Address(addr, port, tls, name or None, bind)


def __getattr__(name: str) -> NoReturn:
    no_name(__name__, "ae", name)

"""What the associations of one session have in common: the way to their acceptor, and their AE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.worker import PendingCommand

    Handler = Callable[..., Any]


class AssociationBindings(Protocol):
    """Handlers that an association may have of its own: a server of the facade has them."""

    def bind_on(
        self, association: str, event: Any, handler: Handler, args: list[Any] | None
    ) -> None: ...
    def unbind_on(self, association: str, event: Any, handler: Handler) -> None: ...
    def get_handlers_on(self, association: str, event: Any) -> Any: ...
    def get_events_on(self, association: str) -> list[Any]: ...


class SessionCommands:
    """Sends commands to acceptors; `ae` and `bindings` are of a server of the facade."""

    def __init__(
        self,
        call: Callable[..., PendingCommand],
        ae: object = None,
        bindings: AssociationBindings | None = None,
    ) -> None:
        self._call = call
        self.ae = ae
        self.bindings = bindings

    def __call__(self, *what: Any, **more: Any) -> PendingCommand:
        return self._call(*what, **more)

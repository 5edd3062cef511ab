"""The synchronous face of the requestor: the same services, for threads.

A `Requestor` owns an asyncio loop in a thread of its own; its associations may be used from any
thread, several at once. Handlers of incoming requests are called in the loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeAlias, TypeVar
from weakref import WeakSet

from gateway.loop_thread import LoopThread
from gateway.requestor.c_echo import EchoResult, echo
from gateway.requestor.incoming import refuse
from gateway.requestor.requestor_association import RequestorAssociation, associate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from gateway.association.errors import AssociationError
    from gateway.association.operation import Operation, ReceivedResponse
    from gateway.association.timers import Timeouts
    from gateway.datasets.instances import Instance
    from gateway.requestor.incoming import Handler
    from gateway.requestor.proposal import Address, Proposal
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateAC, AAssociateRQ

Params = ParamSpec("Params")
Result = TypeVar("Result")

Service: TypeAlias = Callable[
    Concatenate[RequestorAssociation, Params], Coroutine[Any, Any, Result]
]


class Requestor(LoopThread):
    """A thread that runs associations; use it as `with Requestor() as requestor:`."""

    def __init__(self) -> None:
        super().__init__("requestor")
        self._associations: WeakSet[RequestorAssociation] = WeakSet()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the thread; abort associations that are still open."""
        if self.is_stopped:
            return
        self.run(self._drop_all())
        self.stop()
        self.join()

    def associate(
        self,
        address: Address,
        proposal: Proposal | AAssociateRQ,
        *,
        timeouts: Timeouts | None = None,
        handler: Handler = refuse,
    ) -> BlockingAssociation:
        """Connect and negotiate, as `gateway.requestor.associate` does."""
        association = self.run(associate(address, proposal, timeouts=timeouts, handler=handler))
        self._associations.add(association)
        return BlockingAssociation(self, association)

    def echo(
        self,
        host: str,
        port: int,
        *,
        aet: str = "ECHOSCU",
        aec: str = "ANY-SCP",
        timeout: float = 30,
    ) -> EchoResult:
        """Send a C-ECHO, as `gateway.requestor.c_echo` does."""
        return self.run(echo(host, port, aet=aet, aec=aec, timeout=timeout))

    async def _drop_all(self) -> None:
        for association in list(self._associations):
            association.drop("its thread was stopped")
            await association.close()


class Responses:
    """The responses to one request, to iterate over; any thread may call `cancel`.

    Used in a `with`, the request is cancelled if the block ends early.
    """

    def __init__(self, requestor: Requestor, operation: Operation) -> None:
        self._requestor = requestor
        self._operation = operation

    def __iter__(self) -> Iterator[ReceivedResponse]:
        while (answered := self._requestor.run(self._operation.next())) is not None:
            yield answered

    def final(self) -> ReceivedResponse:
        """Return the final response; those before it are skipped."""
        return self._requestor.run(self._operation.final())

    def cancel(self) -> None:
        """Send a C-CANCEL."""
        self._requestor.run(self._operation.cancel())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requestor.run(self._operation.__aexit__())


def _blocking(
    method: Service[Params, Result],
) -> Callable[Concatenate[BlockingAssociation, Params], Result]:
    """Return a method of BlockingAssociation that waits for one of RequestorAssociation."""

    @wraps(method)
    def wait(self: BlockingAssociation, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        return self._requestor.run(method(self._association, *args, **kwargs))

    return wait


def _iterating(
    method: Service[Params, Operation],
) -> Callable[Concatenate[BlockingAssociation, Params], Responses]:
    """Return the same for a method whose operation has many responses."""

    @wraps(method)
    def begin(
        self: BlockingAssociation, /, *args: Params.args, **kwargs: Params.kwargs
    ) -> Responses:
        operation = self._requestor.run(method(self._association, *args, **kwargs))
        return Responses(self._requestor, operation)

    return begin


class BlockingAssociation:
    """A blocking `RequestorAssociation`, method for method; released at the end of its `with`."""

    def __init__(self, requestor: Requestor, association: RequestorAssociation) -> None:
        self._requestor = requestor
        self._association = association

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requestor.run(self._association.close())

    @property
    def accepted_contexts(self) -> Mapping[int, AcceptedContext]:
        """The accepted presentation contexts by their ID."""
        return self._association.accepted_contexts

    @property
    def acceptance(self) -> AAssociateAC | None:
        """The A-ASSOCIATE-AC of the peer."""
        return self._association.acceptance

    @property
    def ended(self) -> AssociationError | None:
        """The reason for the end of the association; None before."""
        return self._association.ended

    @property
    def certificate_end(self) -> float:
        """When the peer's certificate ends, in seconds since the epoch; 0.0: it has none."""
        return self._association.certificate_end

    @property
    def window(self) -> int:
        """Operations that may be in flight at once; 0: any number."""
        return self._association.window

    release = _blocking(RequestorAssociation.release)
    abort = _blocking(RequestorAssociation.abort)

    c_echo = _blocking(RequestorAssociation.c_echo)
    c_store = _blocking(RequestorAssociation.c_store)
    c_find = _iterating(RequestorAssociation.c_find)
    c_get = _iterating(RequestorAssociation.c_get)
    c_move = _iterating(RequestorAssociation.c_move)

    n_event_report = _blocking(RequestorAssociation.n_event_report)
    n_get = _blocking(RequestorAssociation.n_get)
    n_set = _blocking(RequestorAssociation.n_set)
    n_action = _blocking(RequestorAssociation.n_action)
    n_create = _blocking(RequestorAssociation.n_create)
    n_delete = _blocking(RequestorAssociation.n_delete)

    def begin(
        self, make: Callable[[RequestorAssociation], Coroutine[Any, Any, Result]]
    ) -> Future[Result]:
        """Start a coroutine over the association in its thread, without waiting for its result."""
        return self._requestor.begin(make(self._association))

    def begin_c_store(
        self, instance: Instance, *, priority: int = 0, originator: tuple[str, int] | None = None
    ) -> Future[ReceivedResponse]:
        """Send a C-STORE without waiting for the response, nor for room in the window."""
        made = self._association.c_store(instance, priority=priority, originator=originator)
        return self._requestor.begin(made)

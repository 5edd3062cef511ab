"""The synchronous face of the requestor: the same services, for threads.

A `Requestor` owns an asyncio loop in a thread of its own; its associations may be used from any
thread, several at once. Handlers of incoming requests are called in the loop's thread.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

from gateway.requestor import services
from gateway.requestor.echo import EchoResult, echo
from gateway.requestor.incoming import refuse

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from concurrent.futures import Future

    from gateway.association.operation import Operation, ReceivedResponse
    from gateway.association.timers import Timeouts
    from gateway.datasets.instances import Instance
    from gateway.requestor.errors import AssociationError
    from gateway.requestor.incoming import Handler
    from gateway.requestor.proposal import Address, Proposal
    from gateway.requestor.services import Identifier
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateAC, AAssociateRQ

Result = TypeVar("Result")


class Requestor:
    """A thread that associations live in; `with Requestor() as requestor:`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._associations: WeakSet[services.RequestorAssociation] = WeakSet()
        self._thread = threading.Thread(target=self._run, name="requestor", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the thread; associations that still live are aborted."""
        if self._loop.is_closed():
            return
        self.run(self._drop_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine in the loop's thread; interrupted, it is cancelled."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a handler cannot wait for its own thread")
        future = self.begin(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def begin(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """The same without waiting."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def associate(
        self,
        address: Address,
        proposal: Proposal | AAssociateRQ,
        *,
        timeouts: Timeouts | None = None,
        handler: Handler = refuse,
    ) -> BlockingAssociation:
        """As `gateway.requestor.associate`."""
        association = self.run(
            services.associate(address, proposal, timeouts=timeouts, handler=handler)
        )
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
        """As `gateway.requestor.echo`."""
        return self.run(echo(host, port, aet=aet, aec=aec, timeout=timeout))

    async def _drop_all(self) -> None:
        for association in list(self._associations):
            association.drop("its thread was stopped")
            await association.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            for task in (tasks := asyncio.all_tasks(self._loop)):
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()


class Responses:
    """The responses to one request: iterate over them; `cancel` from any thread.

    As `with`, it is cancelled when it is left early.
    """

    def __init__(self, requestor: Requestor, operation: Operation) -> None:
        self._requestor = requestor
        self._operation = operation

    def __iter__(self) -> Iterator[ReceivedResponse]:
        while (answered := self._requestor.run(self._operation.next())) is not None:
            yield answered

    def final(self) -> ReceivedResponse:
        """The final response; those before it are skipped."""
        return self._requestor.run(self._operation.final())

    def cancel(self) -> None:
        """C-CANCEL."""
        self._requestor.run(self._operation.cancel())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requestor.run(self._operation.__aexit__())


class BlockingAssociation:
    """As `gateway.requestor.Association`, method for method; released when its `with` is left."""

    def __init__(self, requestor: Requestor, association: services.RequestorAssociation) -> None:
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
        """What the peer answered."""
        return self._association.acceptance

    @property
    def ended(self) -> AssociationError | None:
        """Why the association is over; None while it lives."""
        return self._association.ended

    @property
    def window(self) -> int:
        """Operations that may be in flight at once; 0: any number."""
        return self._association.window

    def release(self) -> None:
        self._requestor.run(self._association.release())

    def abort(self) -> None:
        self._requestor.run(self._association.abort())

    def c_echo(self) -> ReceivedResponse:
        return self._requestor.run(self._association.c_echo())

    def c_store(
        self, instance: Instance, *, priority: int = 0, originator: tuple[str, int] | None = None
    ) -> ReceivedResponse:
        made = self._association.c_store(instance, priority=priority, originator=originator)
        return self._requestor.run(made)

    def begin_c_store(
        self, instance: Instance, *, priority: int = 0, originator: tuple[str, int] | None = None
    ) -> Future[ReceivedResponse]:
        """As `c_store`, without waiting for the response, nor for room in the window."""
        made = self._association.c_store(instance, priority=priority, originator=originator)
        return self._requestor.begin(made)

    def c_find(self, sop_class_uid: str, identifier: Identifier, *, priority: int = 0) -> Responses:
        return self._many(self._association.c_find(sop_class_uid, identifier, priority=priority))

    def c_get(self, sop_class_uid: str, identifier: Identifier, *, priority: int = 0) -> Responses:
        return self._many(self._association.c_get(sop_class_uid, identifier, priority=priority))

    def c_move(
        self, sop_class_uid: str, identifier: Identifier, destination: str, *, priority: int = 0
    ) -> Responses:
        made = self._association.c_move(sop_class_uid, identifier, destination, priority=priority)
        return self._many(made)

    def n_event_report(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        event_type_id: int,
        information: Identifier | None = None,
    ) -> ReceivedResponse:
        uids = sop_class_uid, sop_instance_uid
        return self._requestor.run(
            self._association.n_event_report(*uids, event_type_id, information)
        )

    def n_get(
        self, sop_class_uid: str, sop_instance_uid: str, attributes: tuple[int, ...] = ()
    ) -> ReceivedResponse:
        return self._requestor.run(
            self._association.n_get(sop_class_uid, sop_instance_uid, attributes)
        )

    def n_set(
        self, sop_class_uid: str, sop_instance_uid: str, modifications: Identifier
    ) -> ReceivedResponse:
        return self._requestor.run(
            self._association.n_set(sop_class_uid, sop_instance_uid, modifications)
        )

    def n_action(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        action_type_id: int,
        information: Identifier | None = None,
    ) -> ReceivedResponse:
        uids = sop_class_uid, sop_instance_uid
        return self._requestor.run(self._association.n_action(*uids, action_type_id, information))

    def n_create(
        self,
        sop_class_uid: str,
        sop_instance_uid: str | None = None,
        attributes: Identifier | None = None,
    ) -> ReceivedResponse:
        return self._requestor.run(
            self._association.n_create(sop_class_uid, sop_instance_uid, attributes)
        )

    def n_delete(self, sop_class_uid: str, sop_instance_uid: str) -> ReceivedResponse:
        return self._requestor.run(self._association.n_delete(sop_class_uid, sop_instance_uid))

    def _many(self, made: Coroutine[Any, Any, Operation]) -> Responses:
        return Responses(self._requestor, self._requestor.run(made))

"""C-STORE (PS3.4 B): fragments straight to the spool, then the claim to the event's owner."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from gateway.acceptor.answers import failures_of, status_of
from gateway.dimse.status import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    SUCCESS,
)
from gateway.errors import SpoolError, Unanswered
from gateway.events import EVT_C_STORE
from gateway.part10 import IdentityScan

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from gateway.acceptor.actor import AssociationActor
    from gateway.dimse.message import CStoreRQ
    from gateway.fabric import Binding
    from gateway.spool import Sealed, Writer
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.acceptor.store")


class Store:
    """One C-STORE request while it arrives, and until it is answered."""

    def __init__(
        self,
        actor: AssociationActor,
        context: AcceptedContext,
        request: CStoreRQ,
        binding: Binding,
        writer: Writer,
    ) -> None:
        self.message_id = request.message_id
        self._actor = actor
        self._context = context
        self._request = request
        self._binding = binding
        self._writer = writer
        self._scan = IdentityScan(context.transfer_syntax)
        self._waiting: asyncio.Task[None] | None = None

    def fragment(self, data: memoryview) -> None:
        self._writer.write(data)
        if not self._scan.done:
            self._scan.feed(data)

    def flush(self) -> None:
        self._writer.relieve()
        if self._writer.behind and self._waiting is None:
            self._waiting = asyncio.create_task(self._wait_for_disk())

    async def _wait_for_disk(self) -> None:
        transport = self._actor.transport
        transport.pause_reading("disk")
        await self._writer.caught_up()
        transport.resume_reading("disk")
        self._waiting = None

    def cancel(self) -> None:
        """A store is finished whatever comes."""

    def discard(self) -> None:
        self._writer.discard()

    def start(self) -> Coroutine[None, None, None]:
        return self._perform()

    async def _perform(self) -> None:
        status, elements = self._unacceptable()
        if status:
            self._writer.discard()
        else:
            status, elements = await self._offer()
        response = self._request.response(status, elements)
        self._actor.outgoing.send(self._context.id, response)

    def _unacceptable(self) -> tuple[int, dict[str, Any]]:
        """A status other than success if what came is not what the command set announced.

        A data set that lacks its UIDs disagrees with nothing: the field has such files.
        """
        scan, request = self._scan, self._request
        if scan.has_group_2:
            return CANNOT_UNDERSTAND, {"ErrorComment": "File meta elements inside the data set"}
        for name, ours, theirs in (
            ("class", scan.sop_class_uid, request.affected_sop_class_uid),
            ("instance", scan.sop_instance_uid, request.affected_sop_instance_uid),
        ):
            if ours is not None and ours != theirs:
                comment = f"SOP {name} of command and data set disagree"
                return DATA_SET_DOES_NOT_MATCH, {"ErrorComment": comment}
        if not scan.may_be_data_set(self._writer.size):
            # One that does not say what it is may be kept under the command's word; not any bytes.
            return DATA_SET_DOES_NOT_MATCH, {"ErrorComment": "This is not a data set"}
        return SUCCESS, {}

    async def _offer(self) -> tuple[int, dict[str, Any]]:
        spool, settings = self._actor.house.spool, self._actor.house.settings
        try:
            sync = self._binding.durable and settings.durable
            sealed = await spool.seal(self._writer, sync=sync)
        except SpoolError as error:
            log.error("association=%s C-STORE not kept: %s", self._actor.id, error)  # noqa: TRY400 - no bug here
            return OUT_OF_RESOURCES, {"ErrorComment": "Out of resources: spool"}
        try:
            return await self._ask(sealed)
        finally:
            spool.release(sealed.claim)

    async def _ask(self, sealed: Sealed) -> tuple[int, dict[str, Any]]:
        actor = self._actor
        payload = {
            **actor.describe_request(self._context, self._request),
            "claim": sealed.claim.to_map(),
        }
        try:
            answer = await actor.house.fabric.ask_once(
                EVT_C_STORE.name, payload, assoc=actor.blob(), data=sealed.data
            )
        except Unanswered as error:
            log.warning("association=%s C-STORE unanswered: %s", actor.id, error)
            if error.poisonous:
                actor.house.spool.quarantine(sealed.claim, sealed.data)
            return failures_of(EVT_C_STORE).unanswered, {"ErrorComment": str(error)}
        return status_of(EVT_C_STORE, self._request, answer.payload, actor.id)

"""What generator handlers yield, value by value, as answers (PS3.4 C.4).

`CONVERTERS` has one for each event that is answered many times. A converter remembers which value
is expected next, and so knows what it means that the handler raises or ends at this point.
"""

from __future__ import annotations

import os
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias

from pydicom.dataset import Dataset

from gateway.dimse.status import CANCEL, PENDING, Category, category
from gateway.dimse.suboperations import MOST
from gateway.fabric.framing import MAX_DATA
from gateway.sdk import contexts
from gateway.sdk.handler_answers import Reply, failure, pair_reply, raised, status_reply
from gateway.spool import Claim

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from gateway.sdk.event import Event
    from gateway.sdk.move.routes import Routes

    PeerTime: TypeAlias = Callable[[], AbstractContextManager[None]]

SUCCESS = Reply({"status": 0x0000, "elements": {}})
CANCELLED = Reply({"status": CANCEL, "elements": {}})


def refused(event: Event, result: Any) -> Reply | None:
    """The answer if a handler gave nothing to iterate over; None if it did."""
    if result is None and event.name == "EVT_C_FIND":
        return SUCCESS
    iterable = hasattr(result, "__iter__") or hasattr(result, "__aiter__")
    if not iterable or isinstance(result, Dataset | str | bytes):
        return failure("bad_status", f"{event.name}: {type(result).__name__} cannot be iterated")
    return None


class Finding:
    """C-FIND: pairs; pending and warnings go on, every other status ends it."""

    goes_on = frozenset({Category.PENDING, Category.WARNING})

    def __init__(self, event: Event) -> None:
        self._event = event

    def __call__(self, value: Any) -> Reply | None:
        """The answer that a value stands for; None: it is not told to the peer."""
        told = pair_reply(self._event, _pair_of(value))
        return Reply(told.payload, told.data, final=not self._is_going_on(told))

    def cancelled(self, value: Any) -> Reply:
        """The last answer, to the first value after a C-CANCEL."""
        told = self(value)
        return told if told is not None and told.final else CANCELLED

    def end(self, *, is_cancelled: bool = False) -> Reply:
        """The last answer if there are no more values."""
        return CANCELLED if is_cancelled else SUCCESS

    def raised(self, error: BaseException) -> Reply:
        """The last answer if the handler raises."""
        return raised(error)

    def close(self) -> None:
        """Nothing more will come."""

    def _status(self, status: Any) -> Reply:
        return status_reply(self._event.event, status)  # type: ignore[arg-type]

    def _is_going_on(self, told: Reply) -> bool:
        status = told.payload.get("status")
        return status is not None and category(status) in self.goes_on


class Getting(Finding):
    """C-GET: the number of sub-operations, then pairs of a status and what is to be sent.

    The acceptor performs the sub-operations: they go out on the association of the request.
    """

    goes_on = frozenset({Category.PENDING})

    def __init__(self, event: Event) -> None:
        super().__init__(event)
        self._takes: Callable[[Any], Reply | None] = self._first

    def __call__(self, value: Any) -> Reply | None:
        return self._takes(_pair_of(value))

    def cancelled(self, value: Any) -> Reply:
        value = _pair_of(value)
        if self._takes != self._pair or self._is_pending(value):
            return self._cancelled()
        return self(value) or self._cancelled()

    def end(self, *, is_cancelled: bool = False) -> Reply:
        if self._takes == self._pair:
            return self._ended(is_cancelled=is_cancelled)
        if is_cancelled:
            return CANCELLED
        return failure(self._failing, f"{self._event.name}: the handler ended before its number")

    def raised(self, error: BaseException) -> Reply:
        told = raised(error)
        return Reply({**told.payload, "failed": self._failing})

    @property
    def _failing(self) -> str:
        """What it is called if the handler fails now."""
        return "raised" if self._takes == self._pair else "first"

    def _first(self, value: Any) -> Reply | None:
        if isinstance(value, Dataset):
            return self._status(value)
        if isinstance(value, tuple):
            return self._status_first(value, "number")
        return self._number(value)

    def _status_first(self, value: tuple[Any, ...], kind: str) -> Reply:
        """A status in place of the first value: it ends the operation."""
        told = pair_reply(self._event, value)
        if "failed" not in told.payload and self._is_going_on(told):
            return failure(kind, f"{self._event.name}: a pending status is no first value")
        return told

    def _number(self, value: Any) -> Reply | None:
        try:
            number = -1 if isinstance(value, bool) else index(value)
        except TypeError:
            number = -1
        if number < 0:
            return failure("number", f"{self._event.name}: {type(value).__name__} is no number")
        if number > MOST:
            return failure("too_many", f"{self._event.name}: {number} sub-operations")
        self._takes = self._pair
        return Reply({"number": number}, final=False)

    def _is_pending(self, value: Any) -> bool:
        if not (isinstance(value, tuple) and len(value) == 2):
            return False
        return self._is_going_on(self._status(value[0]))

    def _pair(self, value: Any) -> Reply | None:
        if self._is_pending(value):
            return self._suboperation(value[1])
        if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[1], Dataset):
            return self._status(value[0])
        told = pair_reply(self._event, value)
        # a list of failures that cannot be encoded must not hide the status
        return self._status(value[0]) if told.payload.get("failed") == "encoding" else told

    def _suboperation(self, what: Any) -> Reply | None:
        if isinstance(what, Claim):
            return _pending({"claim": what.to_map()})
        if contexts.is_file(what):
            return _pending({"path": os.path.abspath(os.fspath(what))})
        if not isinstance(what, Dataset):
            return _unsendable(f"{type(what).__name__} is nothing to send")
        try:
            context, instance = contexts.encode_for(what, self._event.assoc.accepted())
            data = instance.data or b""
            if len(data) > MAX_DATA:
                raise ValueError(f"{len(data)} bytes; yield the path of a file instead")
        except Exception as error:
            # whatever pydicom raises: this sub-operation failed, the others go on
            return _unsendable(f"{type(error).__name__}: {error}", uid_of(what))
        where = {
            "sop_class_uid": instance.sop_class_uid,
            "sop_instance_uid": instance.sop_instance_uid,
            "context_id": context.context_id,
        }
        return _pending(where, data)

    def _cancelled(self) -> Reply:
        return CANCELLED

    def _ended(self, *, is_cancelled: bool) -> Reply:  # noqa: ARG002 - the acceptor knows
        return SUCCESS


def converter(event: Event, routes: Routes, peer_time: PeerTime) -> Finding:
    """A new converter for the values of one request's handler.

    `routes` lead to the destinations of C-MOVE; others are waited for within `peer_time()`.
    """
    if event.name == "EVT_C_FIND":
        return Finding(event)
    if event.name == "EVT_C_GET":
        return Getting(event)
    from gateway.sdk.move.move_answers import Moving

    return Moving(event, routes, peer_time)


def uid_of(what: Any) -> str:
    """The SOP Instance UID of a data set; empty if it has none."""
    return str(getattr(what, "SOPInstanceUID", "") or "")


def _pair_of(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _pending(where: dict[str, Any], data: bytes | None = None) -> Reply:
    return Reply({"status": PENDING, "elements": {}, **where}, data, final=False)


def _unsendable(text: str, sop_instance_uid: str = "") -> Reply:
    told = failure("encoding", text)
    return Reply({**told.payload, "sop_instance_uid": sop_instance_uid}, final=False)

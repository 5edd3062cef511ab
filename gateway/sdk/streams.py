"""What generator handlers yield, value by value, as answers (PS3.4 C.4).

`CONVERTERS` has one for each event that is answered many times. A converter remembers which value
is expected next; `end` is the answer for a generator that simply ended.
"""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Protocol

from pydicom.dataset import Dataset

from gateway.dimse.status import Category, category
from gateway.sdk.answers import Reply, failure, pair_reply, status_reply
from gateway.spool import Claim

if TYPE_CHECKING:
    from gateway.sdk.event import Event

SUCCESS = Reply({"status": 0x0000, "elements": {}})


class Converter(Protocol):
    def __call__(self, value: Any) -> Reply: ...

    def end(self) -> Reply: ...


def converter(event: Event) -> Converter:
    """A new converter for the values of one request's handler."""
    return CONVERTERS[event.name](event)


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

    def __init__(self, event: Event) -> None:
        self._event = event

    def __call__(self, value: Any) -> Reply:
        told = pair_reply(self._event, value)
        return Reply(told.payload, told.data, final=not _goes_on(told))

    def end(self) -> Reply:
        return SUCCESS


class Retrieving:
    """C-GET: the number of sub-operations, then pairs."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._expects = self._number

    def __call__(self, value: Any) -> Reply:
        return self._expects(value)

    def end(self) -> Reply:
        if self._expects == self._pair:
            return SUCCESS
        return failure("raised", f"{self._event.name}: the handler ended before its first values")

    def _number(self, value: Any) -> Reply:
        if isinstance(value, Dataset):
            return status_reply(self._event.event, value)  # type: ignore[arg-type]
        if isinstance(value, tuple):
            return self._pair(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            return failure("number", f"{self._event.name}: {value!r:.80} is no number")
        self._expects = self._pair
        return Reply({"number": value}, final=False)

    def _pair(self, value: Any) -> Reply:
        if isinstance(value, tuple) and len(value) == 2 and _is_file(value[1]):
            return self._file(*value)
        told = pair_reply(self._event, value)
        if told.payload.get("failed") == "encoding":
            # this sub-operation failed, the others go on
            return Reply(told.payload, final=False)
        return Reply(told.payload, told.data, final=not _goes_on(told))

    def _file(self, status: Any, file: Any) -> Reply:
        told = status_reply(self._event.event, status)  # type: ignore[arg-type]
        where = {"claim": file.to_map()} if isinstance(file, Claim) else {"path": fspath(file)}
        return Reply({**told.payload, **where}, final=not _goes_on(told))


class Moving(Retrieving):
    """C-MOVE: where to, then as C-GET."""

    def __init__(self, event: Event) -> None:
        super().__init__(event)
        self._expects = self._destination

    def _destination(self, value: Any) -> Reply:
        if isinstance(value, Dataset):
            return status_reply(self._event.event, value)  # type: ignore[arg-type]
        match value:
            case (None, None):
                return Reply({"destination": None})
            case (int(status), None | Dataset()) if not isinstance(status, bool):
                return self._pair(value)
            case (str(address), int(port)):
                options: dict[str, Any] = {}
            case (str(address), int(port), dict(options)):
                pass
            case _:
                return failure("destination", f"{self._event.name}: no destination")
        self._expects = self._number
        return Reply({"destination": [address, port], "options": options}, final=False)


CONVERTERS: dict[str, type[Finding] | type[Retrieving]] = {
    "EVT_C_FIND": Finding,
    "EVT_C_GET": Retrieving,
    "EVT_C_MOVE": Moving,
}


def _goes_on(told: Reply) -> bool:
    status = told.payload.get("status")
    return status is not None and category(status) in (Category.PENDING, Category.WARNING)


def _is_file(value: Any) -> bool:
    return isinstance(value, Claim | str | PathLike)

"""C-GET: the number of sub-operations, then pairs of a status and an instance (PS3.4 C.4.3).

The acceptor performs the sub-operations, because they go out on the association of the request. It
keeps the counters, too, so what the handler yields becomes a description of the instance.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets import Instance, NoContext, select_context
from gateway.datasets.bulk_data import without_bulk_data
from gateway.datasets.conversion import fit, is_file
from gateway.dimse.status import PENDING
from gateway.errors import GatewayError
from gateway.fabric import Answer
from gateway.sdk.handler_answers import SUCCEEDED, failure, raised
from gateway.sdk.stream_values import (
    CANCELLED,
    as_pair,
    is_several,
    number_answer,
    suboperation_pair,
    uid_of,
)
from gateway.spool import Claim
from gateway.uid import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.sdk.event import Event


_WITHOUT_BULK_DATA = KEYWORDS["CompositeInstanceRetrieveWithoutBulkDataGet"]
PIECE = 4 * 1024 * 1024
"""The most bytes of a data set in one answer."""
IN_LIST = 32
"""Instances in one answer at most."""


class GetHandlerState(Enum):
    """The value expected next; each member names the failure of a handler that raises then."""

    NUMBER = "first"
    """The number of sub-operations, or a status that ends the operation."""
    PAIRS = "raised"
    """A pending status with an instance, or a final status."""


class GetAnswers:
    """Converts the values of a C-GET handler."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._state = GetHandlerState.NUMBER
        self._rest: Iterator[Answer] = iter(())
        self._pieces: Iterator[Answer] = iter(())
        """The answers with the rest of the last data set."""
        self._contexts: dict[tuple[str, str], int | None] = {}
        """The context for files of each SOP class and transfer syntax, as they are."""
        self._has_no_bulk_data = event.context.abstract_syntax == _WITHOUT_BULK_DATA
        self._names_files = event._shares_files and not self._has_no_bulk_data
        self._makes_lists = self._names_files and event._payload.get("lists") is True

    def __call__(self, value: Any) -> Answer | None:
        value = as_pair(value)
        if self._state is GetHandlerState.NUMBER:
            answer = number_answer(self._event, value)
            if not answer.final:
                self._state = GetHandlerState.PAIRS
            return answer
        answer, attached = suboperation_pair(self._event, value)
        if answer.final:
            return answer
        instances = attached if is_several(value) else [attached]
        self._rest = self._suboperations(instances, answer.payload.get("elements"))
        return next(self._rest, None)

    def rest(self) -> Iterator[Answer]:
        """Yield the answers for the rest of a data set, and for the other instances of a list."""
        return self._rest

    def _suboperations(self, instances: list[Any], elements: Any) -> Iterator[Answer]:
        rows: list[list[Any]] = []
        for instance in instances:
            if not elements and (row := self._row(instance)) is not None:
                rows.append(row)
                if len(rows) == IN_LIST:
                    yield _list(rows)
                    rows = []
                continue
            if rows:
                yield _list(rows)
                rows = []
            yield from self._single(instance, elements)
        if rows:
            yield _list(rows)

    def _single(self, instance: Any, elements: Any) -> Iterator[Answer]:
        """Yield the answer for an instance, and those with the rest of its data set."""
        begun = self._suboperation(instance)
        if elements:
            begun = begun._replace(payload={**begun.payload, "elements": elements})
        yield begun
        pieces, self._pieces = self._pieces, iter(())
        try:
            yield from pieces
        except (GatewayError, OSError) as error:  # the acceptor aborts: half of it is sent
            yield _unsendable(f"{type(error).__name__}: {error}")

    def settle(self) -> None:
        """Do nothing: no answer is held back."""

    def cancelled(self, value: Any) -> Answer:
        if self._state is GetHandlerState.PAIRS:
            answer, _ = suboperation_pair(self._event, as_pair(value))
            if answer.final:
                return answer
        return CANCELLED

    def end(self, *, is_cancelled: bool = False) -> Answer:
        if self._state is GetHandlerState.PAIRS:
            return SUCCEEDED  # the acceptor makes it a cancel if sub-operations remain
        if is_cancelled:
            return CANCELLED
        error = f"{self._event.name}: the handler ended before it yielded a number"
        return failure(self._state.value, error)

    def raised(self, error: BaseException) -> Answer:
        return Answer({**raised(error).payload, "failed": self._state.value})

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _suboperation(self, instance: Any) -> Answer:
        if self._has_no_bulk_data:
            return self._without_bulk_data(instance)
        names_file = isinstance(instance, Claim) or is_file(instance)
        if names_file and self._event._shares_files:
            return _named(instance)
        if not names_file and not isinstance(instance, Dataset | Instance):
            return _unsendable(f"a {type(instance).__name__} cannot be sent")
        try:
            return self._encoded(instance)
        except (GatewayError, OSError) as error:  # this sub-operation failed, the others continue
            return _unsendable(f"{type(error).__name__}: {error}", uid_of(instance))

    def _without_bulk_data(self, instance: Any) -> Answer:
        if not (isinstance(instance, Dataset | Instance) or is_file(instance)):
            return _unsendable(f"a {type(instance).__name__} cannot be sent")
        try:
            return self._encoded(*without_bulk_data(instance))
        except (GatewayError, OSError) as error:
            return _unsendable(f"{type(error).__name__}: {error}", uid_of(instance))

    def _encoded(self, attached: Any, transfer_syntax: str | None = None) -> Answer:
        if isinstance(attached, Instance) and (context_id := self._as_it_is(attached)) is not None:
            part = {"path": _path_of(attached), "offset": attached.offset, "size": attached.size}
            return _pending({**part, **_described(attached, context_id)})
        context, instance = fit(attached, self._event.assoc.usable_contexts(), transfer_syntax)
        where = _described(instance, context.id)
        self._pieces = _in_pieces(where, instance.pieces())
        return next(self._pieces)

    def _row(self, instance: Any) -> list[Any] | None:
        """Return the place of an instance in a list; None: it needs an answer of its own."""
        if not (self._makes_lists and isinstance(instance, Instance)):
            return None
        if (context_id := self._as_it_is(instance)) is None:
            return None
        uids = instance.sop_class_uid, instance.sop_instance_uid
        return [context_id, *uids, _path_of(instance), instance.offset, instance.size]

    def _as_it_is(self, instance: Instance) -> int | None:
        """Return the ID of the context for a file that is sent as it is; None for anything else.

        The acceptor reads it, and need not look into it before.
        """
        if not (self._names_files and _is_whole_file(instance)):
            return None
        kind = instance.sop_class_uid, instance.transfer_syntax_uid
        if kind not in self._contexts:
            self._contexts[kind] = self._context_for(*kind)
        return self._contexts[kind]

    def _context_for(self, sop_class: str, syntax: str) -> int | None:
        """Return the ID of the context for instances in their own transfer syntax, if any."""
        contexts = self._event.assoc.usable_contexts()
        try:
            return select_context(contexts, sop_class, (syntax,)).id
        except NoContext:
            return None


def _named(instance: Any) -> Answer:
    """Return the answer that names a file, which the acceptor reads."""
    if isinstance(instance, Claim):
        return _pending({"claim": instance.to_map()})
    return _pending({"path": os.path.abspath(os.fspath(instance))})


def _is_whole_file(instance: Instance) -> bool:
    """Return whether an instance is part of a file, as it is there."""
    return instance.path is not None and instance.data is None and not instance.is_padded


def _path_of(instance: Instance) -> str:
    path = os.fspath(instance.path)  # type: ignore[arg-type]
    return path if path.startswith("/") else os.path.abspath(path)


def _list(rows: list[list[Any]]) -> Answer:
    return _pending({"instances": rows})


def _in_pieces(where: dict[str, Any], pieces: Iterator[bytes]) -> Iterator[Answer]:
    """Yield the answers for a data set: all but the last one have `more`."""
    short = (piece[at : at + PIECE] for piece in pieces for at in range(0, len(piece), PIECE))
    data = next(short, b"")
    for following in short:
        yield _pending({**where, "more": True}, data)
        where, data = {}, following
    yield _pending(where, data)


def _described(instance: Instance, context_id: int) -> dict[str, Any]:
    return {
        "sop_class_uid": instance.sop_class_uid,
        "sop_instance_uid": instance.sop_instance_uid,
        "context_id": context_id,
    }


def _pending(where: dict[str, Any], data: bytes | None = None) -> Answer:
    return Answer({"status": PENDING, "elements": {}, **where}, data, final=False)


def _unsendable(error: str, sop_instance_uid: str = "") -> Answer:
    payload = {**failure("encoding", error).payload, "sop_instance_uid": sop_instance_uid}
    return Answer(payload, final=False)

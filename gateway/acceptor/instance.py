"""The instance that a C-GET sub-operation sends: a file, or a data set that a worker encoded."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.acceptor.answer_queue import ListedInstance
from gateway.datasets import Instance, NoContext, NotDicom, identify, select_context
from gateway.datasets.instances import FilePart, in_memory, read_part
from gateway.errors import GatewayError
from gateway.spool import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gateway.acceptor.answer_queue import Item
    from gateway.association.outbox import DataSource
    from gateway.ul.negotiation import AcceptedContext


READ_AHEAD = 1024 * 1024
"""Bytes of data sets that are read before it is their turn; what is longer is read while sent."""
SMALL = 128 * 1024
"""Data sets of files that the worker does not describe are read at once up to this size."""


class Sending(NamedTuple):
    """What a sub-operation sends."""

    context: AcceptedContext
    sop_class_uid: str
    sop_instance_uid: str
    data_set: DataSource


class Unsendable(GatewayError):  # noqa: N818 - a state, not only an error
    """The file does not exist, or no context fits."""

    def __init__(self, text: str, sop_instance_uid: str = "") -> None:
        super().__init__(text)
        self.sop_instance_uid = sop_instance_uid
        """Empty: unknown."""


def locate(
    payload: dict[str, Any], data: bytes | None, contexts: Mapping[int, AcceptedContext]
) -> tuple[AcceptedContext, Instance]:
    """Return the instance that an answer names, and the context to send it on.

    Raises Unsendable.
    """
    context_id, claim, path = map(payload.get, ("context_id", "claim", "path"))
    if isinstance(claim, dict):
        return _in_file(_path_of(claim), contexts)
    if isinstance(path, str) and "context_id" not in payload:
        return _in_file(path, contexts)
    sop_class, instance = payload.get("sop_class_uid"), payload.get("sop_instance_uid")
    if type(context_id) is int and isinstance(sop_class, str) and isinstance(instance, str):
        context = contexts.get(context_id)
        if context is not None and context.as_scu:
            uids = sop_class, instance, context.transfer_syntax
            return context, _described(uids, payload, data)
    raise Unsendable("the answer names no instance that can be sent")


def _described(uids: tuple[str, str, str], payload: dict[str, Any], data: bytes | None) -> Instance:
    """Return an instance with the data set in its answer, or in part of a file.

    A short one is read at once. If that fails, the error comes when it is sent.
    """
    if data is not None:
        return Instance(*uids, len(data), data=data)
    part: Iterator[Any] = map(payload.get, ("path", "offset", "size"))
    path, offset, size = part
    are_sound = isinstance(path, str) and isinstance(offset, int) and isinstance(size, int)
    if not are_sound or min(offset, size) < 0 or "\0" in path:
        raise Unsendable("the answer names no data set", uids[1])
    if size <= READ_AHEAD:
        with suppress(OSError):
            return Instance(*uids, size, data=read_part(path, offset, size))
    return Instance(*uids, size, path, offset)


def locate_all(
    items: Sequence[Item], contexts: Mapping[int, AcceptedContext]
) -> list[Sending | Unsendable]:
    """Return what each item names, or why it cannot be sent; short data sets are read at once."""
    found: list[Sending | Unsendable] = []
    for item in items:
        try:
            if isinstance(item, ListedInstance):
                found.append(listed(item, contexts, read_part))
                continue
            context, instance = locate(item.payload, item.data, contexts)
        except Unsendable as error:
            found.append(error)
        else:
            uids = instance.sop_class_uid, instance.sop_instance_uid
            found.append(Sending(context, *uids, in_memory(instance, SMALL).data_set()))
    return found


def listed(
    item: ListedInstance,
    contexts: Mapping[int, AcceptedContext],
    read: Callable[[str, int, int], DataSource],
) -> Sending | Unsendable:
    """Return what an item of a list names; `read` reads a short one from path, offset and size.

    If a short one cannot be read, the error comes when it is sent. Raises BlockingIOError if
    `read` does.
    """
    context_id, sop_class, instance, path, offset, size, _ = item
    context = contexts.get(context_id)
    if context is None or not context.as_scu:
        return Unsendable("the context of an instance was not accepted", instance)
    if size <= READ_AHEAD:
        try:
            return Sending(context, sop_class, instance, read(path, offset, size))
        except BlockingIOError:
            raise
        except OSError:
            pass
    return Sending(context, sop_class, instance, FilePart(path, offset, size))


def length_of(item: Item) -> int:
    """Return how many bytes `locate_all` reads for an item, or may read."""
    if isinstance(item, ListedInstance):
        return item.size
    size = item.payload.get("size", SMALL)
    return size if type(size) is int and size >= 0 else SMALL


def _path_of(claim: dict[str, Any]) -> str:
    try:
        path = Claim.from_map(claim).path
    except GatewayError as error:
        raise Unsendable(str(error)) from None
    if path is None:
        raise Unsendable("a claim without a file cannot be sent")
    return path


def _in_file(
    path: str, contexts: Mapping[int, AcceptedContext]
) -> tuple[AcceptedContext, Instance]:
    try:
        instance = identify(Path(path))
    except (NotDicom, ValueError) as error:  # ValueError: a NUL in the path
        raise Unsendable(f"{path!r} cannot be read: {error}") from None
    syntaxes = (instance.transfer_syntax_uid,)
    try:
        return select_context(contexts.values(), instance.sop_class_uid, syntaxes), instance
    except NoContext as error:
        raise Unsendable(str(error), instance.sop_instance_uid) from None

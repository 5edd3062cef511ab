"""The instance that a C-GET sub-operation sends: a file, or a data set that a worker encoded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.datasets import Instance, NoContext, NotDicom, identify, select_context
from gateway.datasets.instances import in_memory
from gateway.errors import GatewayError
from gateway.spool import Claim

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gateway.fabric import Answer
    from gateway.ul.negotiation import AcceptedContext


READ_AHEAD = 128 * 1024
"""Data sets up to this size are in memory before it is their turn; larger ones are read then."""

Located: TypeAlias = "tuple[AcceptedContext, Instance]"


class Unsendable(GatewayError):  # noqa: N818 - a state, not only an error
    """The file does not exist, or no context fits."""

    def __init__(self, text: str, sop_instance_uid: str = "") -> None:
        super().__init__(text)
        self.sop_instance_uid = sop_instance_uid
        """Empty: unknown."""


def locate(
    payload: dict[str, Any], data: bytes | None, contexts: Collection[AcceptedContext]
) -> Located:
    """Return the instance that an answer names, and the context to send it on.

    Raises Unsendable.
    """
    match payload:
        case {"claim": dict(claim)}:
            return _in_file(_path_of(claim), contexts)
        case {"path": str(path)}:
            return _in_file(path, contexts)
        case {
            "sop_class_uid": str(sop_class),
            "sop_instance_uid": str(sop_instance),
            "context_id": int(context_id),
        } if data is not None:
            for context in contexts:
                if context.id == context_id and context.as_scu:
                    syntax = context.transfer_syntax
                    return context, Instance(sop_class, sop_instance, syntax, len(data), data=data)
    raise Unsendable("the answer names no instance that can be sent")


def locate_all(
    answers: Sequence[Answer], contexts: Collection[AcceptedContext]
) -> list[Located | Unsendable]:
    """Return what `locate` returns or raises for each answer; small files are read at once."""
    found: list[Located | Unsendable] = []
    for answer in answers:
        try:
            context, instance = locate(answer.payload, answer.data, contexts)
        except Unsendable as error:
            found.append(error)
        else:
            found.append((context, in_memory(instance, READ_AHEAD)))
    return found


def _path_of(claim: dict[str, Any]) -> str:
    try:
        path = Claim.from_map(claim).path
    except GatewayError as error:
        raise Unsendable(str(error)) from None
    if path is None:
        raise Unsendable("a claim without a file cannot be sent")
    return path


def _in_file(path: str, contexts: Collection[AcceptedContext]) -> Located:
    try:
        instance = identify(Path(path))
    except (NotDicom, ValueError) as error:  # ValueError: a NUL in the path
        raise Unsendable(f"{path!r} cannot be read: {error}") from None
    syntaxes = (instance.transfer_syntax_uid,)
    try:
        return select_context(contexts, instance.sop_class_uid, syntaxes), instance
    except NoContext as error:
        raise Unsendable(str(error), instance.sop_instance_uid) from None

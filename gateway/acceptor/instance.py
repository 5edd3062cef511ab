"""An instance that goes out as a C-STORE sub-operation: a file, or what a worker encoded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError
from gateway.part10 import read_file_meta
from gateway.spool import Claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from gateway.ul.negotiation import AcceptedContext

CHUNK = 1024 * 1024
"""Bytes that are read from a file at a time."""


class Unsendable(GatewayError):  # noqa: N818 - a state, not only an error
    """There is no such file, or no context to send it on."""

    def __init__(self, text: str, sop_instance_uid: str = "") -> None:
        super().__init__(text)
        self.sop_instance_uid = sop_instance_uid
        """Empty: unknown."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What is sent, on which context."""

    sop_class_uid: str
    sop_instance_uid: str
    context_id: int
    path: str = ""
    offset: int = 0
    data: bytes = b""
    """The data set, if there is no file."""

    def data_set(self) -> AsyncIterator[bytes] | bytes:
        return read(self.path, self.offset) if self.path else self.data


async def locate(
    payload: dict[str, Any], data: bytes | None, contexts: Iterable[AcceptedContext]
) -> Instance:
    """The instance that an answer names; raises Unsendable in words."""
    match payload:
        case {"claim": dict(claim)}:
            return await _file(_path_of(claim), contexts)
        case {"path": str(path)}:
            return await _file(path, contexts)
        case {
            "sop_class_uid": str(sop_class),
            "sop_instance_uid": str(sop_instance),
            "context_id": int(context_id),
        } if data is not None and any(c.id == context_id and c.as_scu for c in contexts):
            return Instance(sop_class, sop_instance, context_id, data=data)
        case _:
            raise Unsendable("the answer names no instance that can be sent")


def _path_of(claim: dict[str, Any]) -> str:
    try:
        path = Claim.from_map(claim).path
    except GatewayError as error:
        raise Unsendable(str(error)) from None
    if path is None:
        raise Unsendable("a claim without a file cannot be sent")
    return path


async def _file(path: str, contexts: Iterable[AcceptedContext]) -> Instance:
    try:
        meta = await asyncio.to_thread(read_file_meta, path)
    except (OSError, ValueError, GatewayError) as error:  # ValueError: a NUL in the path
        raise Unsendable(f"{path!r} cannot be read: {error}") from None
    sop_class, syntax = meta.sop_class_uid, meta.transfer_syntax_uid
    for context in contexts:
        wanted = (context.abstract_syntax, context.transfer_syntax) == (sop_class, syntax)
        if wanted and context.as_scu:
            return Instance(sop_class, meta.sop_instance_uid, context.id, path, meta.offset)
    text = f"no context is accepted for {sop_class} in {syntax}"
    raise Unsendable(text, meta.sop_instance_uid)


async def read(path: str | Path, offset: int) -> AsyncIterator[bytes]:
    """The bytes of a file from `offset` on; on a thread, so that no other association waits."""
    file = await asyncio.to_thread(open, path, "rb", 0)
    try:
        await asyncio.to_thread(file.seek, offset)
        while data := await asyncio.to_thread(file.read, CHUNK):
            yield data
    finally:
        file.close()

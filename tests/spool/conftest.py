from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import SpoolSettings
from gateway.spool import Sealed, Spool, Writer

META = b"meta" * 80
SMALL = SpoolSettings(inline_max=1000, min_free=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(root: Path):
    opened = Spool(root, 0, SMALL, durable=True)
    yield opened
    asyncio.run(opened.close())


def fill(writer: Writer, data: bytes, step: int = 0) -> Writer:
    """Write the data in steps whose bytes change as soon as they are taken."""
    step = step or max(len(data), 1)
    for start in range(0, len(data), step):
        buffer = bytearray(data[start : start + step])
        writer.write(memoryview(buffer)[: step // 2])
        writer.write(memoryview(buffer)[step // 2 :])
        buffer[:] = bytes(len(buffer))
    return writer


async def completed(spool: Spool, writer: Writer, *, sync: bool = True) -> Sealed:
    """Seal it, and wait; raises the error."""
    future: asyncio.Future[Sealed] = asyncio.get_running_loop().create_future()

    def done(outcome: Sealed | Exception) -> None:
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    spool.seal(writer, sync=sync, done=done)
    return await future


def seal(spool: Spool, writer: Writer, **how: Any):
    return asyncio.run(completed(spool, writer, **how))


def at_rest(spool: Spool) -> None:
    """Wait until the threads have done what they were given."""
    spool._context.threads.close()


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def pattern(size: int) -> bytes:
    return bytes(i * 7 % 251 for i in range(size)) if size < 100_000 else os.urandom(size)


def whole(sealed) -> bytes:
    return sealed.data if sealed.data is not None else Path(sealed.claim.path).read_bytes()


def fails(number: int):
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail

"""A type checker knows what a handler of each event returns."""

from __future__ import annotations

from pathlib import Path

import pytest

import gateway

HANDLERS = """
from collections.abc import AsyncIterator, Iterator
from pydicom.dataset import Dataset
from gateway import Worker, evt

worker = Worker("w")

@worker.on(evt.EVT_C_STORE)
def store(event: evt.Event) -> int:
    event.encoded_dataset(include_meta=False).hex()
    return event.dataset.Status if event.is_cancelled else 0

@worker.on(evt.EVT_C_STORE, redeliver=True)
async def store_async(event: evt.Event) -> Dataset:
    return Dataset()

@worker.on(evt.EVT_C_FIND)
def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
    yield 0xFF00, event.identifier

@worker.on(evt.EVT_C_FIND)
async def find_async(event: evt.Event) -> AsyncIterator[tuple[int, Dataset | None]]:
    yield 0xFF00, None

@worker.on(evt.EVT_N_GET)
def get(event: evt.Event) -> tuple[int, Dataset | None]:
    return 0, None

@worker.on(evt.EVT_RELEASED)
def released(event: evt.Event) -> None: ...

worker.bind(evt.EVT_C_ECHO, store)

@worker.on(evt.EVT_C_STORE)  # WRONG
def store_wrong(event: evt.Event) -> str:
    return "0000"

@worker.on(evt.EVT_C_FIND)  # WRONG
def find_wrong(event: evt.Event) -> int:
    return 0

@worker.on(evt.EVT_N_GET)  # WRONG
def get_wrong(event: evt.Event) -> int:
    return 0
"""


@pytest.mark.slow
def test_what_handlers_return(tmp_path):
    api = pytest.importorskip("mypy.api")
    (tmp_path / "handlers.py").write_text(HANDLERS)
    root = Path(gateway.__file__).parent.parent
    out, err, _ = api.run(
        ["--strict", "--config-file", str(root / "pyproject.toml"), str(tmp_path / "handlers.py")]
    )
    ours = [line for line in out.splitlines() if "handlers.py" in line and ": error:" in line]
    wrong = [n for n, text in enumerate(HANDLERS.splitlines(), 1) if "WRONG" in text]
    assert not err
    assert [int(line.split(":")[1]) for line in ours] == wrong

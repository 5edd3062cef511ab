"""A type checker knows what a handler of each event returns, decorated or bound."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from mypy import api

import gateway

HEAD = """
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from pydicom.dataset import Dataset
from gateway import Worker, evt
from gateway.sdk import testing

worker = Worker("w")
"""

GOOD = """
@worker.on(evt.EVT_C_STORE)
def store(event: evt.Event) -> int:
    event.encoded_dataset(include_meta=False).hex()
    return event.dataset.Status if event.is_cancelled else 0

@worker.on(evt.EVT_C_STORE, redeliver=True)
async def store_async(event: evt.Event) -> Dataset:
    return Dataset()

@worker.on(evt.EVT_C_STORE, batch=16)
def store_all(events: list[evt.Event]) -> list[int | Exception]:
    return [event.message_id for event in events]

@worker.on(evt.EVT_C_FIND)
def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
    yield 0xFF00, event.identifier

@worker.on(evt.EVT_C_FIND)
def find_generator(event: evt.Event) -> Generator[tuple[int, Dataset], None, None]:
    yield 0xFF00, event.identifier

@worker.on(evt.EVT_C_FIND)
async def find_async(event: evt.Event) -> AsyncIterator[tuple[int, Dataset | None]]:
    yield 0xFF00, None

@worker.on(evt.EVT_C_FIND)
def find_list(event: evt.Event) -> list[tuple[int, Dataset | None]]:
    return []

@worker.on(evt.EVT_C_GET)
def retrieve(event: evt.Event) -> Iterator[int | tuple[int, Dataset | Path | None]]:
    yield 1
    yield 0xFF00, Path("ct.dcm")

@worker.on(evt.EVT_N_GET)
def get(event: evt.Event) -> tuple[int, Dataset | None]:
    return 0, None

@worker.on(evt.EVT_N_DELETE)
def delete(event: evt.Event) -> int:
    return 0

@worker.on(evt.EVT_ASSOCIATE)
def admit(event: evt.Event) -> bool | tuple[int, int, int]:
    return event.assoc.requestor.ae_title == "CT1"

@worker.on(evt.EVT_USER_ID)
def identify(event: evt.Event) -> tuple[bool, bytes | None]:
    return True, None

@worker.on(evt.EVT_ASYNC_OPS)
async def window(event: evt.Event) -> tuple[int, int]:
    return 1, 1

@worker.on(evt.EVT_SOP_EXTENDED)
def extended(event: evt.Event) -> dict[str, bytes]:
    return {}

@worker.on(evt.EVT_RELEASED)
def released(event: evt.Event) -> None: ...

def counted(event: evt.Event, limit: int) -> int:
    return limit

def untyped(event, *args):  # type: ignore[no-untyped-def]
    return 0

worker.bind(evt.EVT_C_STORE, store)
worker.bind(evt.EVT_C_STORE, counted, [3])
worker.bind(evt.EVT_C_STORE, untyped, [3])
worker.bind(evt.EVT_C_STORE, store_all, batch=16)
worker.bind(evt.EVT_C_FIND, find)
worker.bind(evt.EVT_C_FIND, untyped)
worker.bind(evt.EVT_N_GET, get)
worker.bind(evt.EVT_RELEASED, released)
worker.bind(evt.EVT_C_ECHO, lambda event: 0)
for event in (evt.EVT_CONN_OPEN, evt.EVT_CONN_CLOSE):
    worker.bind(event, released)
status: int = testing.store(worker, "ct.dcm", ae_title="CT1")
status, match = testing.find(find, Dataset())[-1]
"""

WRONG = {
    "a status is a number": """
@worker.on(evt.EVT_C_STORE)
def store(event: evt.Event) -> str:
    return "0000"
""",
    "a handler of batches returns a list": """
@worker.on(evt.EVT_C_STORE, batch=16)
def store(events: list[evt.Event]) -> int:
    return 0
""",
    "streams do not come in batches": """
def find(events: list[evt.Event]) -> list[tuple[int, Dataset | None]]:
    return [(0, None) for event in events]

worker.bind(evt.EVT_C_FIND, find, batch=16)
""",
    "a handler takes the event": """
@worker.on(evt.EVT_C_STORE)
def store() -> int:
    return 0
""",
    "the event is an event": """
@worker.on(evt.EVT_C_ECHO)
def echo(event: str) -> int:
    return 0
""",
    "a C-FIND handler yields": """
@worker.on(evt.EVT_C_FIND)
def find(event: evt.Event) -> int:
    return 0
""",
    "and what it yields are pairs": """
@worker.on(evt.EVT_C_FIND)
def find(event: evt.Event) -> Iterator[int]:
    yield 0xFF00
""",
    "of a status and a data set": """
@worker.on(evt.EVT_C_FIND)
def find(event: evt.Event) -> Iterator[tuple[Dataset, int]]:
    yield Dataset(), 0xFF00
""",
    "a C-GET handler yields": """
@worker.on(evt.EVT_C_GET)
def retrieve(event: evt.Event) -> int:
    return 0
""",
    "an N-GET handler returns a pair": """
@worker.on(evt.EVT_N_GET)
def get(event: evt.Event) -> int:
    return 0
""",
    "an N-DELETE handler a status": """
@worker.on(evt.EVT_N_DELETE)
def delete(event: evt.Event) -> tuple[int, None]:
    return 0, None
""",
    "a coroutine's result counts": """
@worker.on(evt.EVT_C_STORE)
async def store(event: evt.Event) -> str:
    return "0000"
""",
    "bind knows what on knows of a status": """
def store(event: evt.Event) -> str:
    return "0000"
worker.bind(evt.EVT_C_STORE, store)
""",
    "of pairs": """
def get(event: evt.Event) -> int:
    return 0
worker.bind(evt.EVT_N_GET, get)
""",
    "and of generators": """
def find(event: evt.Event) -> Iterator[int]:
    yield 0
worker.bind(evt.EVT_C_FIND, find)
""",
    "an event has no such attribute": """
@worker.on(evt.EVT_C_STORE)
def store(event: evt.Event) -> int:
    return event.data_set_path
""",
}


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Runs mypy on snippets, all in one go; their errors by the snippet's name."""
    folder = tmp_path_factory.mktemp("snippets")
    root = Path(gateway.__file__).parent.parent
    names = {"good": GOOD, **{f"wrong{n}": text for n, text in enumerate(WRONG.values())}}
    for name, text in names.items():
        (folder / f"{name}.py").write_text(HEAD + text)
    paths = [str(folder / f"{name}.py") for name in names]
    out, err, _ = api.run(
        ["--strict", "--config-file", str(root / "pyproject.toml"),
         "--cache-dir", str(folder / "cache"), "--follow-imports", "silent", *paths]
    )  # fmt: skip
    assert not err
    assert sys.version_info >= (3, 11)
    found = re.findall(r"^.*?(\w+)\.py:(\d+): error: (.*)$", out, re.MULTILINE)
    return lambda wanted: [text for name, _, text in found if name == wanted]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_good_handlers_pass(check) -> None:
    assert check("good") == []


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", range(len(WRONG)), ids=list(WRONG))
def test_wrong_handlers_do_not(check, number: int) -> None:
    assert len(check(f"wrong{number}")) == 1, check(f"wrong{number}")

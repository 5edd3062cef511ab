from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from gateway.spool import Claim, Tokens
from gateway.spool.digest import digest_of
from workers.archive import Archive
from workers.archive.batch_writer import Offer as KeptOffer

if TYPE_CHECKING:
    from pathlib import Path

META = b"m" * 300
TOKENS = Tokens(0)


class Offer(NamedTuple):
    """A request to a storage worker, and the expected result."""

    claim: Claim
    data: bytes | None
    whole: bytes


def offer(
    ready: Path | None, body: bytes = b"d" * 5000, *, synced: bool = True, meta: bytes = META
) -> Offer:
    """A sealed data set: in the folder `ready`, or inline if that is None."""
    token, whole = TOKENS.draw(), meta + body
    digest = digest_of(body)
    if ready is None:
        return Offer(Claim(token, None, len(meta), len(body), digest), whole, whole)
    ready.mkdir(parents=True, exist_ok=True)
    path = ready / token
    path.write_bytes(whole)
    return Offer(Claim(token, str(path), len(meta), len(body), digest, synced), None, whole)


def keep(archive: Archive, claim: Claim, data: bytes | None, attempt: int = 1) -> Path:
    """Return the file of a stored claim; raise the reason if it is not stored."""
    (kept,) = archive.keep([KeptOffer(claim, data, attempt)])
    if isinstance(kept, Exception):
        raise kept
    return archive.root / kept


def stored(root: Path) -> dict[str, bytes]:
    """Everything under a final name."""
    return {p.name: p.read_bytes() for p in root.rglob("*.dcm")}


def fails(number: int):
    """A function that fails with this error of the operating system."""

    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def unfinished(root: Path) -> list[Path]:
    return [p for p in root.rglob("*") if p.name.endswith(".part")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    return tmp_path / "spool/ready"


@pytest.fixture
def archive(root: Path):
    opened = Archive(root, durable=True)
    yield opened
    opened.close()


@pytest.fixture(params=["inline", "spooled"])
def offered(request, ready: Path) -> Offer:
    return offer(None if request.param == "inline" else ready)

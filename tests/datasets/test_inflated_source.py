"""A deflated data set is read at any place, and takes no memory or disk for what it inflates to."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
import zlib
from random import Random

import pytest

from gateway.datasets import inflated_source
from gateway.datasets.byte_sources import BytesSource
from gateway.datasets.encoded import opened_bytes
from gateway.datasets.inflated_source import STRIDE, inflated
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN

DATA = b"".join(n.to_bytes(4, "big") for n in range(3 * STRIDE // 4))


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.fixture(scope="module")
def stream() -> bytes:
    return deflated(DATA)


def test_a_small_one_is_in_memory() -> None:
    source, fault = inflated(io.BytesIO(deflated(b"abc" * 1000)))
    assert isinstance(source, BytesSource)
    assert (bytes(source.read(3, 6)), source.size, fault) == (b"abcabc", 3000, None)


def test_it_is_read_from_begin_to_end(stream: bytes) -> None:
    source, fault = inflated(io.BytesIO(stream))
    assert (source.size, fault) == (len(DATA), None)
    piece = 300_000
    for at in range(0, len(DATA), piece):
        length = min(piece, len(DATA) - at)
        assert source.read(at, length) == DATA[at : at + length]


def test_it_is_read_at_any_place(stream: bytes) -> None:
    file = io.BytesIO(b"file meta" + stream)
    file.seek(9)
    source, _ = inflated(file)
    random = Random(1)
    for _ in range(60):
        at = random.choice((random.randrange(len(DATA)), random.randrange(1000), len(DATA) - 10))
        length = min(random.randrange(1, 400_000), len(DATA) - at)
        assert source.read(at, length) == DATA[at : at + length]


def test_what_is_skipped_is_not_inflated_again(
    stream: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = inflated(io.BytesIO(stream))
    read, pieces = inflated_source.Inflater.read, []

    def counted(inflater: inflated_source.Inflater) -> bytes:
        pieces.append(read(inflater))
        return pieces[-1]

    monkeypatch.setattr(inflated_source.Inflater, "read", counted)
    assert source.read(len(DATA) - 8, 8) == DATA[-8:]
    assert sum(map(len, pieces)) <= STRIDE + (1 << 20)


def test_one_that_is_cut_has_what_comes_before(stream: bytes) -> None:
    source, fault = inflated(io.BytesIO(stream[: len(stream) // 2]))
    assert "ends before its last block" in str(fault)
    assert 0 < source.size < len(DATA)
    assert source.read(source.size - 5, 5) == DATA[source.size - 5 : source.size]


def test_a_file_that_changed_is_an_error(stream: bytes) -> None:
    file = io.BytesIO(stream)
    source, _ = inflated(file)
    file.truncate(1000)
    with pytest.raises(OSError, match="changed while it was read"):
        source.read(0, len(DATA))


def test_a_bomb_takes_neither_memory_nor_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.delattr(tempfile, name)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    piece = bytes(1 << 20)
    bomb = b"".join(packer.compress(piece) for _ in range(64)) + packer.flush()
    tracemalloc.start()
    try:
        with opened_bytes(bomb, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN) as data_set:
            assert data_set.source.size == 64 << 20
            assert data_set.source.read((64 << 20) - 2, 2) == bytes(2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20

from __future__ import annotations

import random

import pytest

from gateway.datasets.byte_sources import as_file
from workers.archive.objects.range_source import FIRST, LONGEST, RangeSource

WHOLE = random.Random(1).randbytes(3 << 20)
START = 300


class Store:
    """An object whose reads are counted."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def read(self, start: int, size: int) -> bytes:
        assert 0 < size <= len(WHOLE) - start
        self.asked.append(size)
        return WHOLE[start : start + size]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def source(store: Store) -> RangeSource:
    return RangeSource(store.read, START, len(WHOLE) - START)


def test_a_short_header_takes_one_request(store, source) -> None:
    for at in range(0, 8000, 100):
        assert source.read(at, 100) == WHOLE[START + at : START + at + 100]
    assert store.asked == [FIRST]


def test_what_is_skipped_is_not_read(store, source) -> None:
    source.read(0, 100)
    end = source.size - 8
    assert source.read(end, 8) == WHOLE[-8:]
    assert sum(store.asked) == FIRST + 8


def test_all_of_it_takes_few_requests_whatever_the_steps(store, source) -> None:
    read = bytearray()
    while len(read) < source.size:
        read += source.read(len(read), min(1000, source.size - len(read)))
    assert bytes(read) == WHOLE[START:]
    assert len(store.asked) <= 8
    assert sum(store.asked) == source.size


def test_near_fragments_are_read_together(store, source) -> None:
    for at in range(0, source.size - 8, 50_000):
        assert source.read(at, 8) == WHOLE[START + at : START + at + 8]
    assert len(store.asked) <= 8


def test_what_is_known_is_not_read_again(store) -> None:
    source = RangeSource(store.read, START, 5000, WHOLE[START : START + 1000])
    assert source.read(900, 100) == WHOLE[START + 900 : START + 1000]
    assert store.asked == []
    assert source.read(900, 200) == WHOLE[START + 900 : START + 1100]
    assert store.asked == [4000]


def test_a_long_value_is_not_kept(store, monkeypatch) -> None:
    monkeypatch.setattr("workers.archive.objects.range_source.LONGEST", 1000)
    source = RangeSource(store.read, 0, len(WHOLE))
    source.read(0, 10)
    assert source.read(10, 2_000_000) == WHOLE[10:2_000_010]
    assert source.read(5, 5) == WHOLE[5:10]
    assert store.asked == [1000, 2_000_000]
    assert LONGEST > FIRST


def test_any_order_of_reads_gives_the_same_bytes(source) -> None:
    numbers = random.Random(2)
    for _ in range(300):
        at = numbers.randrange(source.size)
        length = numbers.randrange(min(100_000, source.size - at) + 1)
        assert source.read(at, length) == WHOLE[START + at : START + at + length]


def test_as_a_file(store, source) -> None:
    file = as_file(source)
    assert file.read(10) == WHOLE[START : START + 10]
    assert file.seek(-4, 2) == source.size - 4
    assert file.read() == WHOLE[-4:]
    assert file.read(1) == b""
    file.seek(20)
    file.seek(5, 1)
    assert (file.tell(), file.read(3)) == (25, WHOLE[START + 25 : START + 28])
    assert file.seek(source.size + 5) == source.size + 5
    assert file.read(1) == b""

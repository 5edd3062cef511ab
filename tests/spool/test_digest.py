"""A digest names its algorithm, and digests of earlier versions stay valid."""

from __future__ import annotations

import pytest
from blake3 import blake3

from gateway.errors import SpoolError
from gateway.spool import digest
from gateway.spool.digest import (
    BLAKE3_LENGTH,
    XXH3_128,
    can_be_equal,
    digest_like,
    digest_of,
    is_valid,
    matches,
    running_digest,
)

DATA = bytes(range(256)) * 50
OLD = blake3(DATA).digest()


def fed(running, size):
    for begin in range(0, len(DATA), size):
        running.update(memoryview(DATA)[begin : begin + size])
    return running.digest()


@pytest.mark.parametrize("size", [1000, len(DATA)])
def test_pieces_give_the_digest_of_the_whole(size):
    assert fed(running_digest(), size) == digest_of(DATA) == digest_of(memoryview(DATA))


def test_a_new_digest_is_the_name_of_xxh3_128_and_its_known_hash():
    assert digest_of(b"") == XXH3_128 + bytes.fromhex("99aa06d3014798d86001c324468d497f")


@pytest.mark.parametrize("known", [OLD, digest_of(DATA)], ids=["earlier", "new"])
def test_a_digest_is_checked_by_its_own_algorithm(known):
    assert is_valid(known)
    assert fed(digest_like(known), 4096) == known
    assert matches(DATA, known)
    assert not matches(DATA[1:], known)


@pytest.mark.parametrize(
    "known", [b"\x02" + bytes(16), b"\x01" + bytes(15), bytes(31), b"\x01"], ids=len
)
def test_one_of_no_known_algorithm_is_refused(known):
    assert not is_valid(known)
    with pytest.raises(SpoolError, match="no known algorithm"):
        digest_like(known)


def test_digests_of_two_algorithms_prove_no_difference():
    other = XXH3_128 + bytes(16)
    assert can_be_equal(OLD, other)
    assert can_be_equal(OLD, OLD)
    assert not can_be_equal(OLD, bytes(BLAKE3_LENGTH))


class TestWithoutTheFastPackage:
    @pytest.fixture(autouse=True)
    def absent(self, monkeypatch):
        monkeypatch.setattr(digest, "xxhash", None)

    def test_a_new_digest_is_that_of_earlier_versions(self):
        assert digest_of(DATA) == fed(running_digest(), 1000) == OLD
        assert matches(DATA, OLD)

    def test_one_that_cannot_be_checked_says_what_to_install(self):
        with pytest.raises(SpoolError, match="install the package xxhash"):
            matches(DATA, XXH3_128 + bytes(16))

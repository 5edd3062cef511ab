from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SpoolError
from gateway.spool import Claim, Tokens
from gateway.spool.claim import BUCKET
from tests.clock import Clock

TOKEN = "20261122-101140604-0-" + "a" * 24
DIGEST = bytes(32)
DAY = 86400.0


def bucket(token: str) -> tuple[str, str]:
    return Claim(token, None, 0, 0, DIGEST).bucket


def test_a_token_names_its_bucket():
    assert bucket(Tokens(3, Clock(0.25)).draw()) == ("19700101", "000000250-3")


def test_tokens_differ_and_fill_buckets_one_after_the_other():
    tokens = Tokens(0, Clock(1e9))
    drawn = [tokens.draw() for _ in range(3 * BUCKET)]
    assert len(set(drawn)) == 3 * BUCKET
    assert [bucket(t)[1] for t in drawn[::BUCKET]] == ["014640000-0", "014640001-0", "014640000-0"]


def test_buckets_of_two_acceptors_differ():
    clock = Clock(1e9)
    assert bucket(Tokens(0, clock).draw()) != bucket(Tokens(1, clock).draw())


@pytest.mark.parametrize("jump", [DAY, -DAY, 3650 * DAY, -3650 * DAY])
def test_a_bucket_belongs_to_one_date(jump):
    clock = Clock(1e9)
    tokens = Tokens(0, clock)
    before = tokens.draw()
    clock.now += jump
    assert bucket(tokens.draw())[0] != bucket(before)[0]


def test_a_claim_travels():
    for claim in (
        Claim(TOKEN, None, 300, 8, DIGEST),
        Claim(TOKEN, "/spool/ready/x", 0, 0, DIGEST, synced=True),
    ):
        assert Claim.from_map(msgpack.unpackb(msgpack.packb(claim.to_map()))) == claim


GOOD = Claim(TOKEN, None, 1, 2, DIGEST).to_map()


@pytest.mark.parametrize(
    "change",
    [
        {"token": "../../etc/passwd"},
        {"token": TOKEN + "\n"},
        {"token": TOKEN + "/x"},
        {"token": 7},
        {"path": b"x"},
        {"size": -1},
        {"size": True},
        {"offset": "1"},
        {"digest": b"short"},
        {"digest": "0" * 32},
        {"synced": None},
        {"other": 1},
    ],
)
def test_what_is_no_claim_is_refused(change):
    with pytest.raises(SpoolError):
        Claim.from_map({**GOOD, **change})


def test_a_missing_value_is_refused():
    for key in GOOD.keys() - {"synced"}:
        with pytest.raises(SpoolError):
            Claim.from_map({k: v for k, v in GOOD.items() if k != key})


@given(st.text(max_size=80))
def test_no_text_but_a_token_names_a_folder(text):
    with pytest.raises(SpoolError):
        assert not bucket(text)

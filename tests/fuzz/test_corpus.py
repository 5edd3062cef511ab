"""Every seed, every input that once failed, and each of them damaged, is handled as documented."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.harnesses import HARNESSES
from tests.peers.damage import damaged

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", HARNESSES)
def test_seeds_and_what_once_failed(name: str) -> None:
    harness, dice = HARNESSES[name], random.Random(13)
    known = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    seeds = list(harness.seeds())
    assert seeds
    for data in (*seeds, *known):
        harness.run(data)
    for data in seeds:
        for _ in range(5):
            if one := damaged(data, dice):
                harness.run(one)

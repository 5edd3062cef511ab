"""Pairings of two libraries for the programs that are written once."""

from __future__ import annotations

import pytest

from tests.interop.both import PAIRINGS, pair_of


@pytest.fixture(params=PAIRINGS, ids=[f"{s}-serves-{c}" for s, c in PAIRINGS])
def pair(request):
    with pair_of(*request.param) as made:
        yield made

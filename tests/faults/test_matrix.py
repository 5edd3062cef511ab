"""The matrix of faults: its rows can be chosen by name, and what one raises is a broken promise."""

from __future__ import annotations

import re

import pytest

from tests.faults.__main__ import chosen, matrix, tried
from tests.faults.attackers import ATTACKS
from tests.faults.row import BrokenPromise, Options, Result, Row


def test_rows_have_names_of_their_own_and_a_promise() -> None:
    rows = matrix()
    names = [row.name for row in rows]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"P\d+( P\d+)*", row.promise) for row in rows)


def test_a_name_chooses_a_row_or_a_family() -> None:
    rows = matrix()
    assert [row.name for row in chosen(["kill"], rows)] == ["kill"]
    assert len(chosen(["attack"], rows)) > len(ATTACKS) - 1
    assert chosen([], rows) == rows
    with pytest.raises(SystemExit, match="no such row: nonsense"):
        chosen(["nonsense"], rows)


@pytest.mark.parametrize("error", [BrokenPromise("why"), AssertionError("why")])
def test_what_a_row_raises_is_a_broken_promise(error: Exception) -> None:
    def run(options: Options) -> Result:
        raise error

    result = tried(Row("x", "P1", "fault", run), Options())
    assert (result.ok, "why" in result.text) == (False, True)


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_has_something_to_send(name: str) -> None:
    for bot in ATTACKS[name]()[:20]:
        assert isinstance(next(bot.sends), bytes)

"""Conditions on a value in memory: the same answers as those of the index."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.archive.attributes import attribute_of
from workers.archive.condition_test import fulfils
from workers.archive.index.search import like
from workers.archive.matching import AnyOf, Between, Empty, Equal, Like

TEXT = attribute_of("Modality", 0x00080060, "CS")
NAME = attribute_of("PatientName", 0x00100010, "PN")
ALPHABET = st.text("ab*?.%_\n\\[", max_size=9)


@given(st.text("ab.%_\n[", max_size=9), ALPHABET)
def test_patterns_are_those_of_the_index(text: str, pattern: str) -> None:
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA case_sensitive_like=ON")
    (expected,) = database.execute(
        "SELECT ? LIKE ? ESCAPE '\\'", (text.strip(), like(pattern))
    ).fetchone()
    database.close()
    assert fulfils(TEXT, text, Like((TEXT.column,), pattern)) == bool(expected)


def test_a_pattern_of_many_wildcards_takes_no_time() -> None:
    pattern = "*".join("a" * 30) + "*b"
    assert not fulfils(TEXT, "a" * 60_000, Like((TEXT.column,), pattern))


@pytest.mark.parametrize(
    ("text", "condition", "holds"),
    [
        ("CT", Equal((TEXT.column,), ("MR", "CT")), True),
        ("MR\\CT", Equal((TEXT.column,), ("CT",)), True),
        ("MR", Equal((TEXT.column,), ()), False),
        ("", Empty(TEXT.column), True),
        ("CT", Empty(TEXT.column), False),
        ("CT", Between(TEXT.column, "A", "D"), True),
        ("CT", Between(TEXT.column, "D", None), False),
        ("", Between(TEXT.column, None, "D"), False),
        ("CT", AnyOf((Equal((TEXT.column,), ("MR",)), Like((TEXT.column,), "C*"))), True),
    ],
)
def test_each_condition(text: str, condition: object, holds: bool) -> None:
    assert fulfils(TEXT, text, condition) is holds  # type: ignore[arg-type]


def test_a_name_is_compared_by_its_groups() -> None:
    assert fulfils(NAME, "Yamada^Tarou=山田^太郎", Equal(NAME.keys, ("yamada^tarou",)))
    assert fulfils(NAME, "Yamada^Tarou=山田^太郎", Like(NAME.keys, "山田*"))

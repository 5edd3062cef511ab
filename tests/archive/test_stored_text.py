"""The text of the index has every byte, in both databases, and long values stay different."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.datasets.character_sets import character_sets_of
from tests.archive.conftest import entry, kept
from workers.archive.attributes import BY_KEYWORD, Level
from workers.archive.comparison_keys import text_of
from workers.archive.index.search import Query
from workers.archive.matching import conditions
from workers.archive.stored_text import (
    LONGEST,
    bounded,
    bytes_of,
    clean,
    is_text,
    is_unread,
    readable,
    spellings,
    unread,
)

if TYPE_CHECKING:
    from workers.archive.index import Index

ID = BY_KEYWORD["PatientID"]
ODD = [
    b"M\xfcller",
    b"A\0B",
    b"\x1b$)Z",
    b"\xc4\xd0",
    bytes(set(range(1, 256)) - set(rb"\*?")).strip(),
    b"x" * 3000,
    "漢".encode() * 900,
]


@given(st.binary(max_size=100))
def test_unread_bytes_come_back(raw):
    assert bytes_of(unread(raw)) == raw
    unread(raw).encode()
    assert not set(unread(raw)) & {"\0"}


@given(st.text(max_size=50))
def test_text_is_stored_as_it_is_or_unread(text):
    if is_text(text):
        assert not is_unread(text)
        assert readable(text) == text
        assert clean(text) == text.rstrip(" ").lstrip(" ")


def test_long_values_stay_different_and_have_no_bytes():
    long, other = "x" * LONGEST + "1", "x" * LONGEST + "2"
    assert len(bounded(long)) == LONGEST
    assert bounded(long) != bounded(other)
    assert bounded(long) == bounded(long)
    assert bytes_of(bounded(long)) is None
    assert set(readable(bounded(long))) == {"x"}
    assert bounded("x" * LONGEST) == "x" * LONGEST


def test_the_spellings_of_a_key():
    assert spellings("Doe") == ("Doe",)
    assert set(spellings("é")) == {"é", unread("é".encode()), unread(b"\xe9")}
    assert set(spellings(unread(b"\xe9"))) >= {"é", unread(b"\xe9")}
    assert set(spellings("漢")) == {"漢", unread("漢".encode())}


def test_odd_values_are_stored_and_found_in_both_databases(index: Index):
    sets = character_sets_of(b"ISO_IR 192")
    texts = [text_of(ID, raw, sets, little=True) for raw in ODD]
    for number, text in enumerate(texts):
        uid = str(number)
        index.add(entry(f"1.{uid}"), kept(f"1.{uid}", f"2.{uid}", f"3.{uid}", PatientID=text))
    for text in texts:
        wanted = tuple((Level.PATIENT, one) for one in conditions(ID, text))
        found = [row[0] for row in index.search(Query(Level.PATIENT, (ID,), conditions=wanted))]
        assert found == [text]
    everything = {row[0] for row in index.search(Query(Level.PATIENT, (ID,)))}
    assert everything == set(texts)


@pytest.mark.parametrize(
    ("stored", "key"),
    [(b"M\xfcller", "Müller"), ("Müller".encode(), "Müller"), (b"M\xfcller", "M?ller")],
)
def test_a_key_finds_bytes_of_no_character_set(index: Index, stored, key):
    index.add(entry("1.1"), kept(PatientID=unread(stored), PatientName=unread(stored)))
    for attribute in (ID, BY_KEYWORD["PatientName"]):
        wanted = tuple((Level.PATIENT, one) for one in conditions(attribute, key))
        assert len(list(index.search(Query(Level.PATIENT, (ID,), conditions=wanted)))) == 1

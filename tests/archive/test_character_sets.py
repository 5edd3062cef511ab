"""Every defined term of Specific Character Set is decoded, and what is not stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.datasets.character_sets import character_sets_of, codec_of, decode
from tests.archive.character_set_samples import EXTENDED, SINGLE, STAND_ALONE
from workers.archive.attributes import BY_KEYWORD
from workers.archive.comparison_keys import text_of
from workers.archive.stored_text import bytes_of, is_unread, readable

NAME, ID, SEX = (BY_KEYWORD[k] for k in ("PatientName", "PatientID", "PatientSex"))

SAMPLES = (*SINGLE, *EXTENDED, *STAND_ALONE)


@pytest.mark.parametrize(("sets", "raw", "text"), SAMPLES)
def test_each_defined_term(sets, raw, text):
    assert decode(raw, character_sets_of(sets), is_name=True) == text
    assert text_of(NAME, raw, character_sets_of(sets), little=True) == text


@pytest.mark.parametrize(
    ("term", "codec"),
    [
        ("ISO-IR 100", "latin_1"),
        ("ISO IR 192", "utf_8"),
        ("ISO_IR192", "utf_8"),
        ("ISO 2022 IR 192", "utf_8"),
        ("iso_ir 100", "latin_1"),
        ("UTF-8", "utf_8"),
        ("utf8", "utf_8"),
        ("GB 18030", "gb18030"),
        ("ISO_2022_IR_149", "euc_kr"),
        ("ISO 2022-IR 58", "gb2312"),
        ("ISO 2022 GBK", "gbk"),
        ("ISO 2022 58", "gb2312"),
        ("ISO-8859-1", "latin_1"),
        ("ISO_8859-15", "iso8859_15"),
        ("windows-1251", "cp1251"),
        ("SHIFT_JIS", "shift_jis"),
        ("ISO_IR 6", ""),
        ("rot13", ""),
        ("punycode", ""),
        ("ISO_IR 999", ""),
        ("nonsense", ""),
    ],
)
def test_misspelled_and_unknown_terms(term, codec):
    assert codec_of(term) == codec
    assert not codec or "é".encode().decode(codec, "replace")


@pytest.mark.parametrize("value", [None, b"", b"\\", b"nonsense", b"\xff\\ISO_IR 100", b"\0 "])
def test_any_value_leads_to_character_sets(value):
    assert decode(b"Doe^J", character_sets_of(value)) == "Doe^J"


def test_sets_that_are_not_put_in_place_again_after_a_delimiter():
    raw = b"A=\x1b$)A\xd5\xc5^\xd0\xa1\xb6\xab"
    assert decode(raw, character_sets_of(b"\\ISO 2022 IR 58"), is_name=True) == "A=张^小东"
    assert decode(b"\xd5\xc5", character_sets_of(b"\\ISO 2022 IR 58")) == "张"


def test_a_delimiter_puts_the_first_set_in_place_again():
    sets = character_sets_of(b"ISO 2022 IR 100\\ISO 2022 IR 144")
    assert decode(b"\x1b-L\xbb^\xe9", sets, is_name=True) == "Л^é"
    assert decode(b"\x1b-L\xbb\\\xe9", sets) == "Л\\é"
    assert decode(b"\x1b-L\xbb^\xbb", sets) == "Л^Л"


def test_sets_that_are_not_declared():
    assert decode(b"\x1b$)A\xd5\xc5", character_sets_of(None)) == "张"
    assert decode(b"\x1b$B;3\x1b(B", character_sets_of(b"ISO_IR 100")) == "山"


@pytest.mark.parametrize(
    ("sets", "raw"),
    [
        (None, b"M\xfcller"),
        (b"ISO_IR 192", b"M\xfcller"),
        (b"ISO_IR 192", "Müller".encode()[:-6]),
        (b"\\ISO 2022 IR 58", b"\x1b$)A\xd5"),
        (b"ISO_IR 100", b"\x1b$)Z\xd5\xc5"),
        (b"ISO_IR 100", b"\x1b"),
        (b"ISO_IR 192", "\uef80".encode()),
        (b"ISO_IR 138", b"\xff"),
        (None, b"A\0B"),
    ],
)
def test_what_is_not_decoded_stays_as_it_was(sets, raw):
    stored = text_of(ID, raw, character_sets_of(sets), little=True)
    assert is_unread(stored) or stored.isascii()
    assert bytes_of(stored) == raw


def test_unread_bytes_for_people():
    assert readable(text_of(ID, b"M\xfcller", character_sets_of(None), little=True)) == "Müller"
    assert readable(text_of(ID, "张".encode(), character_sets_of(None), little=True)) == "张"


@given(st.binary(max_size=60), st.sampled_from([s[0] for s in SAMPLES] + [None, b"UTF-8", b"x"]))
def test_any_bytes_are_decoded_or_kept(raw, sets):
    for attribute in (NAME, ID, SEX):
        stored = text_of(attribute, raw, character_sets_of(sets), little=True)
        assert not set(stored) & {"\0", "\x1b"} or bytes_of(stored) is not None
        stored.encode()
        if stored.isascii() or is_unread(stored):
            assert bytes_of(stored) == raw.rstrip(b"\0 ").lstrip(b" ") or stored.isascii()
        readable(stored).encode()

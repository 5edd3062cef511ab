"""Whatever bytes a record holds, its response is written, and says what was stored or nothing."""

from __future__ import annotations

from struct import unpack_from
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from gateway.datasets.character_sets import character_sets_of, decode
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN as EXPLICIT
from tests.archive.character_set_samples import EXTENDED, SINGLE, STAND_ALONE
from workers.archive.attributes import ATTRIBUTES, BY_TAG
from workers.archive.comparison_keys import TEXT_VRS, text_of
from workers.archive.identifier import PATIENT_ROOT, FindQuery, Model, find_query
from workers.archive.match_writer import MatchWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL = Model.of(f"{PATIENT_ROOT}1")
CHARACTER_SET, LEVEL, TITLE = 0x00080005, 0x00080052, 0x00080054
SETS = [sets for sets, _, _ in (*SINGLE, *EXTENDED, *STAND_ALONE)]
TEXTS = [value for _, value, _ in (*SINGLE, *EXTENDED, *STAND_ALONE)]
ODD = st.one_of(st.binary(max_size=20), st.sampled_from(TEXTS), st.none())


def everything() -> FindQuery:
    asked = Dataset()
    asked.QueryRetrieveLevel = "IMAGE"
    for attribute in ATTRIBUTES:
        setattr(asked, attribute.keyword, None)
    return find_query(asked, MODEL, relational=True)


def written(request: FindQuery, texts: Mapping[str, str | None], *more: str) -> dict[int, bytes]:
    row = (*(texts.get(keyword) for keyword in request.keywords), *more)
    data, at, found = MatchWriter(request, "HERE", EXPLICIT).write(row), 0, {}
    while at < len(data):
        group, number, _, length = unpack_from("<HH2sH", data, at)
        tag = group << 16 | number
        assert not found or tag > max(found), "in order"
        found[tag] = data[at + 8 : at + 8 + length]
        at += 8 + length
    return found


REQUEST = everything()


@given(
    st.sampled_from([*SETS, None, b"ISO-IR 100", b"UTF-8", b"nonsense"]),
    st.lists(ODD, min_size=len(ATTRIBUTES), max_size=len(ATTRIBUTES)),
)
def test_any_record(sets, values):
    declared = character_sets_of(sets)
    raw = dict(zip(ATTRIBUTES, values, strict=True))
    texts = {
        one.keyword: text_of(one, value, declared, little=True)
        for one, value in raw.items()
        if value is not None
    }
    found = written(REQUEST, texts)
    assert (found.pop(LEVEL), found.pop(TITLE)) == (b"IMAGE ", b"HERE")
    answered = character_sets_of(found.pop(CHARACTER_SET, None))
    assert found.keys() == BY_TAG.keys()
    for attribute, stored in raw.items():
        value = found[attribute.tag].rstrip(b"\0 ").lstrip(b" ")
        expected = (stored or b"").rstrip(b"\0 ").lstrip(b" ")
        if value in (b"", expected):
            continue
        assert attribute.vr in (*TEXT_VRS, "US"), "other values go out as they are"
        if attribute.vr in TEXT_VRS:
            is_name = attribute.vr == "PN"
            text = decode(expected, declared, is_name=is_name)
            assert decode(value, answered, is_name=is_name) == text.rstrip("\0 ").lstrip(" ")
            assert b"\x1b" not in value


@pytest.mark.parametrize("text", ["70000", "-1", "many", "1\\x", "\uef01"])
def test_numbers_that_do_not_fit_are_empty(text):
    (rows,) = [a for a in ATTRIBUTES if a.keyword == "Rows"]
    assert written(REQUEST, {"Rows": text})[rows.tag] == b""

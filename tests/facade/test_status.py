from __future__ import annotations

import pynetdicom.status as theirs
import pytest

from gateway import status
from gateway.status import Status, code_to_category

TABLES = [name for name in theirs.__all__ if isinstance(getattr(theirs, name), dict)]


@pytest.mark.parametrize("name", TABLES)
def test_each_table_agrees_with_pynetdicoms(name):
    ours, other = getattr(status, name), getattr(theirs, name)
    assert {c: ours[c][0] for c in other} == {c: row[0] for c, row in other.items()}
    assert all(isinstance(meaning, str) for _, meaning in ours.values())


def test_unknown_tables_are_attribute_errors():
    with pytest.raises(AttributeError, match="NO_SUCH_STATUS"):
        _ = status.NO_SUCH_STATUS
    assert "STORAGE_SERVICE_CLASS_STATUS" in dir(status)


def test_categories_are_pynetdicoms_where_the_standard_says_no_more():
    for code in range(0x10000):
        other = theirs.code_to_category(code)
        # PS3.7 annex C: all of 01xx and 02xx is failure, listed or not.
        expected = "Failure" if other == "Unknown" and 0x0100 <= code <= 0x02FF else other
        assert code_to_category(code) == expected, hex(code)


@pytest.mark.parametrize("bad", [-1, "0", None, 1.5])
def test_what_is_no_code(bad):
    with pytest.raises(ValueError, match="positive integer"):
        code_to_category(bad)


def test_status_names():
    assert {s.name: s.value for s in theirs.Status} == {s.name: s.value for s in Status}
    assert Status.SUCCESS == 0
    Status.add("UNABLE_TO_PROCESS_HERE", 0xC000)
    assert Status.UNABLE_TO_PROCESS_HERE == 0xC000


def test_category_names():
    for name in ("SUCCESS", "WARNING", "FAILURE", "CANCEL", "PENDING", "UNKNOWN"):
        assert getattr(status, f"STATUS_{name}") == getattr(theirs, f"STATUS_{name}")

"""The counters of a C-GET: true whatever was announced, and never more than a US holds."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from gateway.dimse.suboperations import MOST, Tally, encode_failed_list
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SUCCESS, WARNING, FAILURE, PENDING, CANCEL = 0x0000, 0xB000, 0xA700, 0xFF00, 0xFE00


def tally(announced: int, *statuses: int | None) -> Tally:
    one = Tally(announced)
    for number, status in enumerate(statuses):
        one.count(status, f"1.2.{number}")
    return one


def counters(one: Tally) -> tuple[int, int, int, int]:
    return one.remaining, one.completed, one.failures, one.warnings


@pytest.mark.parametrize(
    ("announced", "statuses", "expected", "status"),
    [
        (0, [], (0, 0, 0, 0), SUCCESS),
        (2, [SUCCESS, SUCCESS], (0, 2, 0, 0), SUCCESS),
        (2, [SUCCESS, FAILURE], (0, 1, 1, 0), 0xB000),
        (2, [WARNING, FAILURE], (0, 0, 1, 1), 0xB000),
        (2, [SUCCESS, WARNING], (0, 1, 0, 1), 0xB000),
        (2, [FAILURE, None], (0, 0, 2, 0), 0xA702),
        (2, [PENDING, CANCEL], (0, 0, 2, 0), 0xA702),
        (1, [SUCCESS, SUCCESS], (0, 2, 0, 0), 0xB000),
    ],
)
def test_counting(announced, statuses, expected, status: int) -> None:
    one = tally(announced, *statuses)
    assert counters(one) == expected
    assert one.status() == status


def test_what_never_came_has_failed() -> None:
    one = tally(5, SUCCESS, FAILURE)
    assert one.remaining == 3
    one.give_up()
    assert counters(one) == (0, 1, 4, 0)
    assert one.status() == 0xB000


def test_nothing_came_although_announced() -> None:
    one = Tally(3)
    one.give_up()
    assert one.status() == 0xA702


def test_failures_are_named_as_far_as_they_are_known() -> None:
    one = Tally(3)
    for status, uid in ((FAILURE, "1.2"), (SUCCESS, "1.3"), (None, "")):
        one.count(status, uid)
    assert one.failed == ["1.2"]
    assert one.failures == 2


def test_remaining_stands_only_where_it_is_asked_for() -> None:
    one = tally(3, SUCCESS)
    assert "NumberOfRemainingSuboperations" not in one.elements(with_remaining=False)
    assert one.elements(with_remaining=True)["NumberOfRemainingSuboperations"] == 2


def test_counters_never_wrap() -> None:
    one = Tally(MOST, completed=MOST + 5, failures=MOST + 5, warnings=MOST + 5)
    assert set(one.elements(with_remaining=True).values()) == {MOST, 0}


def test_no_failure_has_no_list() -> None:
    assert tally(1, SUCCESS).failed_list(IMPLICIT_VR_LITTLE_ENDIAN) is None


def decode(data: bytes, syntax: str) -> Dataset:
    if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        data = zlib.decompress(data, wbits=-zlib.MAX_WBITS)
    implicit = syntax == IMPLICIT_VR_LITTLE_ENDIAN
    return read_dataset(BytesIO(data), implicit, syntax != EXPLICIT_VR_BIG_ENDIAN)


SYNTAXES = [
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_list_as_pydicom_reads_it(syntax: str, count: int) -> None:
    uids = [f"1.2.{number}" for number in range(count)]
    encoded = encode_failed_list(uids, syntax)
    assert len(encoded) % 2 == 0
    (element,) = decode(encoded, syntax)
    assert element.tag == Tag("FailedSOPInstanceUIDList")
    assert ([element.value] if count == 1 else list(element.value)) == uids


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_list_longer_than_a_ui_can_be(syntax: str) -> None:
    uids = [f"1.2.840.10008.{10**40 + number}" for number in range(2000)]
    (element,) = decode(encode_failed_list(uids, syntax), syntax)
    value = element.value
    if isinstance(value, bytes):
        value = value.rstrip(b"\0").decode().split("\\")
    assert list(value) == uids


def test_text_that_is_no_uid_does_no_harm() -> None:
    encoded = encode_failed_list(["\u00e9\u20ac"], IMPLICIT_VR_LITTLE_ENDIAN)
    assert encoded.endswith(b"??")

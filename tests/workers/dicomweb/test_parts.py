"""Multipart bodies, in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.dicomweb.conftest import body
from workers.dicomweb.guard import HttpError
from workers.dicomweb.parts import Begun, Data, PartsReader


def read(data: bytes, size: int, boundary: str = "edge") -> list[tuple[dict[str, str], bytes]]:
    reader = PartsReader(boundary)
    found: list[tuple[dict[str, str], bytes]] = []
    for begin in range(0, len(data), size):
        for event in reader.feed(data[begin : begin + size]):
            if isinstance(event, Begun):
                found.append((dict(event.headers), b""))
            elif isinstance(event, Data):
                found[-1] = found[-1][0], found[-1][1] + event.content
    reader.close()
    return found


@given(
    contents=st.lists(st.binary(max_size=40).filter(lambda b: b"--edge" not in b), max_size=3),
    size=st.integers(1, 50),
)
def test_any_pieces_give_the_same(contents, size):
    if not contents:
        return
    assert [content for _, content in read(body(*contents), size)] == contents


@pytest.mark.parametrize("content", [b"\r\n--edg", b"\r\n", b"\r\n--", b"-", b"\r"])
def test_what_looks_like_a_boundary_is_content(content):
    assert read(body(content, b"x"), 1)[0][1] == content


def test_headers_are_known_by_name():
    data = b"--edge\r\nCONTENT-type: application/dicom\r\nX: 1\r\n\r\nabc\r\n--edge--"
    assert read(data, 3) == [({"content-type": "application/dicom", "x": "1"}, b"abc")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"--edge\r\n",
        b"--edge\r\nA: b\r\n\r\nabc",
        b"--edge\r\nA: b\r\n\r\nabc\r\n--edge\r\n",
        b"--other\r\nA: b\r\n\r\nabc\r\n--other--\r\n",
        b"no multipart at all",
        b"--edge\r\nno header\r\n\r\n",
        b"--edge\r\n" + b"A: " + b"b" * 20_000 + b"\r\n\r\nabc\r\n--edge--",
    ],
)
def test_what_is_cut_or_wrong_is_400(data):
    with pytest.raises(HttpError) as caught:
        read(data, 1000)
    assert caught.value.status == 400


@pytest.mark.parametrize("boundary", ["", "x" * 257])
def test_a_boundary_that_cannot_be_is_400(boundary):
    with pytest.raises(HttpError):
        PartsReader(boundary)


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"told to people\r\n--edge\r\nA: b\r\n\r\nabc\r\n--edge--\r\nbye", [({"a": "b"}, b"abc")]),
        (b"x--edge\r\n--edge\r\nA: b\r\n\r\nabc\r\n--edge--", [({"a": "b"}, b"abc")]),
        (b"\r\n--edge \t\r\nA: b\r\n\r\nabc\r\n--edge-- \r\n--edge", [({"a": "b"}, b"abc")]),
        (b"--edge\r\n\r\nabc\r\n--edge--", [({}, b"abc")]),
        (b"--edge\r\nA: b;\r\n\tc=d\r\n\r\nabc\r\n--edge--", [({"a": "b;\tc=d"}, b"abc")]),
        (b"--edge\r\nA: b\r\n\r\n--edge--", [({"a": "b"}, b"")]),
        (b"--edge\r\n\r\n--edge \r\nA:b\r\n\r\n\r\n--edge--", [({}, b""), ({"a": "b"}, b"")]),
        (b"--edge\r\n\r\na\r\n--edge x\r\n--edgy\r\n--edge--", [({}, b"a\r\n--edge x\r\n--edgy")]),
        (b"--edge\r\n\r\na\r\n--edge  \r--edge\r\n--edge--", [({}, b"a\r\n--edge  \r--edge")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_bodies_as_rfc_2046_allows_them(data, parts, size):
    assert read(data, size) == parts


def test_ten_thousand_parts():
    data = body(*[b"%d" % number for number in range(10_000)])
    assert [content for _, content in read(data, 65_536)] == [b"%d" % n for n in range(10_000)]


@pytest.mark.parametrize(
    "data",
    [
        b"--edge\nA: b\n\nabc\n--edge--\n",
        b"--edge\r\nA (: b\r\n\r\nabc\r\n--edge--",
        b"--edge\r\n : b\r\n\r\nabc\r\n--edge--",
        b"x" * 70_000,
        b"--edge" + b" " * 70_000,
    ],
)
def test_what_is_not_framed_so_is_400(data):
    with pytest.raises(HttpError) as caught:
        read(data, 1000)
    assert caught.value.status == 400

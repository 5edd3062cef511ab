"""A header that is like an earlier one has the texts that a walk over its elements finds."""

from __future__ import annotations

import random
from functools import partial

import pytest

from gateway.datasets import encoded
from gateway.datasets.element_steps import UnreadableDataSet
from tests.peers.elements import el, implicit
from workers.archive import header
from workers.archive.attributes import ABOVE
from workers.archive.header import read, scan, values_of
from workers.archive.header_templates import HeaderTemplates

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch):
    anew = {syntax: (runs, HeaderTemplates()) for syntax, (runs, _) in header._USUAL.items()}
    monkeypatch.setattr(header, "_USUAL", anew)


def data_set(*, syntax: str = EXPLICIT, pixels: int = 20, **values: bytes) -> bytes:
    """A data set with these values in place of the usual ones."""
    found = {"charset": b"ISO_IR 100", "time": b"101500", "name": b"Doe^Jane", "number": b"1 "}
    found |= {"uid": b"1.2.3.4 ", "position": b"0\\0\\-10.5", "study": b"1.2.3 "} | values
    elements = [
        (0x00080005, b"CS", found["charset"]),
        (0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
        (0x00080018, b"UI", found["uid"]),
        (0x00080033, b"TM", found["time"]),
        (0x00100010, b"PN", found["name"]),
        (0x0020000D, b"UI", found["study"]),
        (0x0020000E, b"UI", b"1.2.4 "),
        (0x00200013, b"IS", found["number"]),
        (0x00200032, b"DS", found["position"]),
        (0x00280010, b"US", b"\4\0"),
    ]
    if syntax == IMPLICIT:
        parts = [implicit(tag, value) for tag, _, value in elements]
        return b"".join([*parts, implicit(0x7FE00010, bytes(pixels))])
    return b"".join([*(el(*one) for one in elements), el(0x7FE00010, b"OW", bytes(pixels))])


def walked(data: bytes, syntax: str) -> dict[str, str]:
    return dict(values_of(encoded.in_memory(data, syntax)))


def found(data: bytes, syntax: str = EXPLICIT) -> dict[str, str]:
    """What a scan finds; what it says of those above the image is the same."""
    values = scan(data, syntax)
    assert values.above is None or values.above == tuple(values[keyword] for keyword in ABOVE)
    return dict(values)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize(
    "varying",
    [
        {"uid": [b"1.2.3.5 ", b"1.2.3.6\0", b" 1.2.37 "], "number": [b"2 ", b"10", b"+3"]},
        {"position": [b"0\\0\\-20.5", b"0\\0\\-30.5"]},
        {"time": [b"101501", b"101502"], "uid": [b"1.2.3.7 ", b"1.2.3.8 "]},
        {"name": [b"Doe^John", b"M\xfcller^A", b"Roe^Jane"]},
        {"charset": [b"ISO_IR 101", b"ISO_IR 144"], "name": [b"M\xfcller^A", b"M\xfcller^A"]},
        {"study": [b"1.2.4 ", b"1.2.5\n", b" 1.2.6"]},
        {"uid": [b"1.2\0.4 ", b"1.2\xe4.4 ", b"        "]},
        {"number": [b"\0\0", b"  ", b"\xff1"]},
    ],
    ids=lambda varying: ",".join(varying),
)
def test_whatever_varies_the_texts_are_those_of_a_walk(syntax, varying):
    make = partial(data_set, syntax=syntax)
    series = [make()] + [
        make(**{name: values[turn % len(values)] for name, values in varying.items()})
        for turn in range(6)
    ]
    for data in series:
        assert found(data, syntax) == walked(data, syntax)
    assert found(series[0], syntax) == walked(series[0], syntax)


def test_elements_of_other_lengths_in_as_many_bytes():
    usual = data_set(number=b"1 ", time=b"101500")
    moved = data_set(number=b"1000", time=b"1015")
    assert len(usual) == len(moved)
    for _ in range(3):
        for data in (usual, moved):
            assert found(data) == walked(data, EXPLICIT)


def test_any_byte_that_differs_is_seen():
    data, chance = data_set(), random.Random(1)
    for _ in range(3):
        found(data_set(number=b"7 "))
        found(data)
    for at in range(len(data) - 20):
        changed = bytearray(data)
        changed[at] ^= 1 << chance.randrange(8)
        assert found(bytes(changed)) == walked(bytes(changed), EXPLICIT), at


def test_what_is_like_a_template_is_not_read_element_by_element(monkeypatch):
    for number in (b"1 ", b"2 ", b"3 "):
        found(data_set(number=number, position=b"0\\0\\" + number * 2))
    monkeypatch.setattr(header, "_usual_texts", lambda _: pytest.fail("read again"))
    data = data_set(number=b"9 ", position=b"0\\0\\5.50")
    assert found(data)["InstanceNumber"] == "9"


def test_a_header_that_differs_each_time_teaches_no_more(monkeypatch):
    lessons = []
    learn = HeaderTemplates.learn
    monkeypatch.setattr(HeaderTemplates, "learn", lambda *what: (lessons.append(1), learn(*what)))
    usual, moved = data_set(time=b"101500"), data_set(number=b"1000", time=b"1015")
    for _ in range(100):
        found(usual), found(moved)
    assert len(lessons) < 50


def test_templates_are_bounded():
    for pixels in range(0, 400, 2):
        found(data_set(pixels=pixels))
    (templates,) = (one for _, one in header._USUAL.values() if one._known)
    assert 0 < len(templates._known) <= 64


@pytest.mark.parametrize("pixels", [20, 20_000])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_of_a_file_the_first_bytes_are_enough(tmp_path, monkeypatch, syntax, pixels):
    file = tmp_path / "file"
    series = [data_set(syntax=syntax, pixels=pixels, number=b"%d " % n) for n in range(4)]
    expected = [walked(data, syntax) for data in series]
    monkeypatch.setattr(header, "values_of", lambda _: pytest.fail("read to its end"))
    for data, values in zip(series, expected, strict=True):
        file.write_bytes(bytes(10) + data)
        assert dict(read(file, 10, syntax)) == values


@pytest.mark.parametrize("known", [0, 3])
def test_a_file_that_is_cut_is_read_to_its_end(tmp_path, known):
    file, data = tmp_path / "file", data_set(pixels=20_000)
    for _ in range(known):
        file.write_bytes(data)
        assert read(file, 0, EXPLICIT).fault is None
    for size in (len(data) - 1, len(data) - 15_000, 100, 0):
        file.write_bytes(data[:size])
        assert isinstance(read(file, 0, EXPLICIT).fault, UnreadableDataSet)
    file.write_bytes(data + b"\1")
    assert isinstance(read(file, 0, EXPLICIT).fault, UnreadableDataSet)

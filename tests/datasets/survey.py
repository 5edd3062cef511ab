"""What is sent in place of a file, compared with what DCMTK's dcmconv makes of it.

A peer accepts one transfer syntax. What it is sent is byte for byte what the file has, or has the
elements and values of dcmconv's result, or nothing is sent and the sub-operation fails. Anything
else is a difference.
"""

from __future__ import annotations

import struct
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.datasets import DatasetError, NoContext, NotDicom, identify
from gateway.datasets.byte_sources import BytesSource
from gateway.datasets.conversion import convert, fit
from gateway.datasets.element_steps import ElementWalk, Token, UnreadableDataSet
from gateway.datasets.instance_source import source_of
from gateway.datasets.reencoding import ENCODINGS, is_sequence
from gateway.part10 import Part10Error, file_meta, read_file_meta
from gateway.ul.negotiation import AcceptedContext
from tests.peers import dcmtk, wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.datasets.element_steps import Encoding
    from gateway.datasets.instances import Instance

OPTIONS = {wire.IMPLICIT: "+ti", wire.EXPLICIT: "+te", wire.BIG_ENDIAN: "+tb", wire.DEFLATED: "+td"}
"""Of dcmconv, for each transfer syntax that a peer may accept."""


class Sent(StrEnum):
    """What became of a file for one peer."""

    IDENTICAL = "byte for byte as in the file"
    CONVERTED = "element by element as dcmconv converts it"
    KEPT = "converted where dcmconv refuses the file, with the elements and values of the file"
    FAILED = "not sent: the sub-operation failed"
    DIFFERENT = "neither of these"


class Survey:
    """The sums over many files and peers; dcmconv's results are written into `folder`."""

    def __init__(self, folder: Path) -> None:
        self.sums: Counter[Sent] = Counter()
        self.differences: list[str] = []
        self._result = folder / "dcmconv"

    def judge(self, path: Path, accepted: str, name: str = "") -> Sent:
        """Send a file to a peer that accepts one transfer syntax only."""
        sent = self._judge(path, accepted)
        self.sums[sent] += 1
        if sent is Sent.DIFFERENT:
            self.differences.append(f"{name or path} to {accepted}")
        return sent

    def text(self) -> str:
        """Return the sums, and what was different."""
        lines = [f"{self.sums[sent]:6}  {sent}" for sent in Sent]
        return "\n".join([*lines, *self.differences])

    def _judge(self, path: Path, accepted: str) -> Sent:
        try:
            own = identify(path)
            context = AcceptedContext(1, own.sop_class_uid, accepted, True, False)
            _, instance = fit(path, [context])
        except (NotDicom, NoContext, DatasetError):
            return Sent.FAILED
        if accepted == own.transfer_syntax_uid:
            return Sent.IDENTICAL if path.read_bytes().endswith(instance.read()) else Sent.DIFFERENT
        self._result.unlink(missing_ok=True)
        # -e: sequences of undefined length, because private ones cannot be told in implicit VR
        done = dcmtk.run("dcmconv", "-e", OPTIONS[accepted], path, self._result)
        if done.returncode:
            is_kept = values(_little(instance)) == values(_little(own))
            return Sent.KEPT if is_kept else Sent.DIFFERENT
        expected = values(identify(self._result))
        return Sent.CONVERTED if values(instance) == expected else Sent.DIFFERENT


def _little(instance: Instance) -> Instance:
    is_big = instance.transfer_syntax_uid == wire.BIG_ENDIAN
    return convert(instance, wire.EXPLICIT) if is_big else instance


def values(instance: Instance) -> list[tuple[str, int, bytes]]:
    """The structure and the values of a data set, without group lengths, padding, and repeats."""
    source = source_of(instance, 1 << 30)
    return values_in(source.read(0, source.size), ENCODINGS[instance.transfer_syntax_uid])


def values_in(data: bytes, encoding: Encoding) -> list[tuple[str, int, bytes]]:
    source = BytesSource(data)
    found: list[tuple[str, int, bytes]] = []
    for step in ElementWalk(source, encoding, is_sequence):
        is_value = step.token in (Token.VALUE, Token.FRAGMENT)
        if is_value and not step.tag & 0xFFFF:
            continue
        value = bytes(source.read(step.at, step.length)).rstrip(b"\0 ") if is_value else b""
        if not is_value or (step.token.name, step.tag, value) not in found[-1:]:
            found.append((step.token.name, step.tag, value))
    return found


def pydicoms_files() -> list[Path]:
    """Return all files that pydicom has for its tests, DICOM or not."""
    data = Path(pydicom.__file__).parent / "data"
    return sorted(path for path in data.rglob("*") if path.is_file())


def peers_of(path: Path) -> Iterator[str]:
    """Yield what the peers of a file accept: its own transfer syntax, and the uncompressed ones."""
    try:
        own = read_file_meta(path).transfer_syntax_uid
    except Part10Error:
        own = ""
    yield from dict.fromkeys((own, *OPTIONS)) if own else OPTIONS


def survey_of_files(folder: Path, files: Iterable[Path]) -> Survey:
    """Judge each file with each peer."""
    survey = Survey(folder)
    for path in files:
        for accepted in peers_of(path):
            survey.judge(path, accepted)
    return survey


# variations

_SMALL = 20_000


def _bases() -> list[tuple[str, list[bytes]]]:
    """Return the elements of pydicom's small uncompressed files, with their transfer syntax."""
    found = []
    for path in pydicoms_files():
        try:
            instance = identify(path)
            syntax = instance.transfer_syntax_uid
            if syntax == wire.DEFLATED or syntax not in OPTIONS or instance.size > _SMALL:
                continue
            found.append((syntax, _elements(instance.read(), ENCODINGS[syntax])))
        except (NotDicom, UnreadableDataSet):
            continue
    return found


def _elements(data: bytes, encoding: Encoding) -> list[bytes]:
    """Cut a data set into its outermost elements."""
    source, begins, depth, end = BytesSource(data), [], 0, 0
    for step in ElementWalk(source, encoding, is_sequence):
        if not depth and step.token in (Token.VALUE, Token.SEQUENCE, Token.FRAGMENTS):
            begins.append(end)
        depth += step.token in (Token.SEQUENCE, Token.FRAGMENTS)
        depth -= step.token in (Token.SEQUENCE_END, Token.FRAGMENTS_END)
        end = step.at + (step.length if step.token in (Token.VALUE, Token.FRAGMENT) else 0)
    return [data[a:b] for a, b in zip(begins, [*begins[1:], end], strict=True)]


_VRS = st.sampled_from(b"AE CS LO LT PN SH ST UI US SS UL FL FD AT OB OW UN UT OX lo -- ??".split())
_BYTES = st.one_of(
    st.binary(max_size=24),
    st.sampled_from([b"M\xfcller", b"\x1b$)C\xb1\xe8\xc8\xf1", b"CT \xc0\xdb\xb3 1", b"1\\2\\3"]),
)
_TAGS = st.sampled_from(
    [0x00080005, 0x00081030, 0x00091001, 0x00100010, 0x00181271, 0x00280103, 0x00280106, 0x00291010]
)


def _element(tag: int, vr: bytes, value: bytes, encoding: Encoding) -> bytes:
    order = "<" if encoding.is_little else ">"
    group, number = tag >> 16, tag & 0xFFFF
    if not encoding.is_explicit:
        return struct.pack("<HHL", group, number, len(value)) + value
    if vr in b"AE CS LO LT PN SH ST UI US SS UL FL FD AT".split():
        return struct.pack(order + "HH2sH", group, number, vr, len(value)) + value
    return struct.pack(order + "HH2sHL", group, number, vr, 0, len(value)) + value


@st.composite
def variations(draw: st.DrawFn, bases: list[tuple[str, list[bytes]]]) -> bytes:
    """A file of pydicom's with elements that were left out, replaced, added, or cut."""
    syntax, elements = draw(st.sampled_from(bases))
    encoding = ENCODINGS[syntax]
    order = "<HH" if encoding.is_little else ">HH"
    by_tag = {struct.unpack_from(order, one): one for one in elements}
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            tag, vr, value = draw(_TAGS), draw(_VRS), draw(_BYTES)
            if vr == b"UI":
                value = value.replace(b" ", b"")  # as dcmconv does, and the gateway does not
            by_tag[tag >> 16, tag & 0xFFFF] = _element(tag, vr, value, encoding)
        else:
            by_tag.pop(draw(st.sampled_from(sorted(by_tag))), None)
        if not by_tag:
            break
    data = b"".join(by_tag[tag] for tag in sorted(by_tag))
    match draw(st.integers(0, 9)):
        case 0:
            data = data[: draw(st.integers(0, len(data)))]
        case 1:
            data += bytes(draw(st.integers(1, 20)))
    return file_meta(wire.CT, "1.2.3", syntax) + data


def survey_of_variations(folder: Path, count: int) -> Survey:
    """Judge variations of pydicom's files, each with a peer that accepts another syntax."""
    survey, path = Survey(folder), folder / "variation.dcm"
    number = Counter[str]()

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(variations(_bases()), st.sampled_from(sorted(OPTIONS)))
    def judge(whole: bytes, accepted: str) -> None:
        number["all"] += 1
        path.write_bytes(whole)
        if survey.judge(path, accepted, f"variation {number['all']}") is Sent.DIFFERENT:
            (folder / f"different-{number['all']}.dcm").write_bytes(whole)

    judge()
    return survey

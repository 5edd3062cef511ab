"""The parts that need no server."""

from __future__ import annotations

import math
import struct
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dimse.assembler import Assembler, DataFragment, MessageBegun, MessageEnded
from gateway.dimse.fragmenter import fragment
from gateway.errors import ConfigError
from gateway.load import (
    arguments,
    file_templates,
    instance_sequence,
    objectives,
    prepared,
    template,
)
from gateway.load.histogram import PRECISION, Histogram, bucket_of, middle_of
from gateway.load.instance_identity import Field, InstanceIdentity, new_root
from gateway.load.load_plan import Plan, Rate, share
from gateway.load.schedule import arrivals
from gateway.load.tally import OTHER, Tally
from gateway.uid import is_valid
from gateway.ul.primitives import PDataPart
from tests.peers import instances, wire

ROOT = new_root()

# histograms


@given(st.integers(0, 1 << 36))
def test_a_bucket_is_as_narrow_as_is_stated(value: int) -> None:
    middle = middle_of(bucket_of(value)) * 1e6
    assert abs(middle - value) <= max(value * PRECISION, 0.5)


@given(st.lists(st.floats(1e-6, 1000), min_size=1), st.floats(0, 100))
def test_a_percentile_is_as_exact_as_is_stated(values: list[float], percent: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    rank = max(math.ceil(percent * len(values) / 100 - 1e-9), 1)
    exact = sorted(values)[rank - 1]
    assert histogram.percentile(percent) == pytest.approx(exact, rel=PRECISION, abs=1e-6)


@given(st.lists(st.floats(0, 1000)), st.lists(st.floats(0, 1000)))
def test_a_merge_is_as_if_all_had_been_counted_in_one(first, second) -> None:
    both, one, other = Histogram(), Histogram(), Histogram()
    for value in first + second:
        both.add(value)
    for value in first:
        one.add(value)
    for value in second:
        other.add(value)
    one.merge(Histogram.from_map(other.to_map()))
    assert one.buckets == both.buckets
    assert (one.count, one.smallest, one.largest) == (both.count, both.smallest, both.largest)
    assert one.total == pytest.approx(both.total)


def test_texts_of_a_peer_are_bounded() -> None:
    tally = Tally()
    for number in range(1000):
        tally.note("failures", f"{number:04d}" * 500)
    assert len(tally.failures) == 41
    assert tally.failures[OTHER] == 960
    assert max(map(len, tally.failures)) == 300


# arguments


@pytest.mark.parametrize(
    ("parse", "text", "named"),
    [
        (arguments.duration, "soon", "'soon'"),
        (arguments.size, "0", "'0'"),
        (arguments.size, "2G", "'2G'"),
        (arguments.size, "big", "'big'"),
        (arguments.mix, "ct=70,xx=30", "'xx'"),
        (arguments.mix, "ct=0", "'ct=0'"),
        (arguments.ramp, "50:2000", "'50:2000'"),
        (arguments.ramp, "0:10:5s", "'0:10:5s'"),
        (arguments.ramp, "1:2:3s:4", "'1:2:3s:4'"),
        (arguments.study, "3", "'3'"),
        (objectives.parse, "p99", "'p99'"),
        (objectives.parse, "p99<250", "not 250"),
        (objectives.parse, "speed<3s", "'speed'"),
        (objectives.parse, "errors<1s", "not 1s"),
        (objectives.parse, "rate>1%", "not 1%"),
        (objectives.parse, "p99<1.2.3s", "'1.2.3'"),
    ],
)
def test_a_wrong_argument_is_named(parse, text, named) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert named in str(caught.value)


def test_arguments_mean_what_they_say() -> None:
    assert arguments.duration("2m") == 120
    assert arguments.duration("250ms") == 0.25
    assert arguments.size("512KiB") == 524_288
    assert arguments.size("8k") == 8000
    assert arguments.mix("ct=70, mr=20,dx") == {"ct": 70, "mr": 20, "dx": 1}
    assert arguments.ramp("50:2000:30s") == Rate(50, 2000, 30, 10)
    latency, errors = objectives.parse("p99.9<250ms, errors<=0.1%")
    assert (latency.metric, latency.limit) == ("p99.9", 0.25)
    assert errors.limit == pytest.approx(0.001)


def test_a_plan_survives_its_way_to_a_child() -> None:
    plan = Plan("h", 1, rate=Rate(1, 2, 3, 4), study=(1, 2), files=("a",), count=3)
    assert Plan.from_map(plan.to_map()) == plan


# schedules


def test_even_arrivals_of_several_processes_take_turns() -> None:
    def of(process: int) -> list[float]:
        return list(arrivals(Plan("", 1, rate=Rate(10, 10, 1), processes=2, process=process)))

    assert sorted(of(0) + of(1)) == pytest.approx([i / 10 for i in range(10)])


def test_poisson_arrivals_have_exponential_intervals() -> None:
    plan = Plan("", 1, rate=Rate(1000, 1000, 20), poisson=True, seed=3)
    moments = list(arrivals(plan))
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.001, rel=0.05)
    # The standard deviation of an exponential distribution is its mean.
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation == pytest.approx(mean, rel=0.05)


def test_a_ramp_offers_the_rate_of_each_step() -> None:
    rate = Rate(10, 100, 10.0, 10)
    moments = list(arrivals(Plan("", 1, rate=rate)))
    counts = [sum(begin <= m < end for m in moments) for begin, end, _ in rate.spans()]
    assert counts == pytest.approx(rate.step_rates(), abs=1.01)


def test_a_count_ends_a_schedule_and_is_shared() -> None:
    plans = [Plan("", 1, rate=Rate(9, 9, 9), count=7, processes=3, process=i) for i in range(3)]
    assert [len(list(arrivals(plan))) for plan in plans] == [3, 2, 2]
    assert sum(share(100, 7, part) for part in range(7)) == 100


# what is sent


def _messages(groups: list[list[bytes]]) -> tuple[bytes, bytes, int]:
    """Command set, data set, and the longest PDU."""
    assembler, command, data, longest = Assembler(), b"", b"", 0
    stream = b"".join(b"".join(group) for group in groups)
    at = 0
    while at < len(stream):
        (length,) = struct.unpack_from(">L", stream, at + 2)
        longest = max(longest, length)
        for context_id, header, piece in wire.parse_pdvs(stream[at : at + 6 + length]):
            part = PDataPart(context_id, bool(header & 1), bool(header & 2), memoryview(piece))
            for event in assembler.receive(part):
                match event:
                    case MessageBegun(command_set=command_set):
                        command = bytes(command_set)
                    case DataFragment(data=fragment_):
                        data += fragment_
                    case MessageEnded():
                        pass
        at += 6 + length
    return command, data, longest


IDENTITY = InstanceIdentity(0, 7, 123, 456, 2, 17, 98765)


@pytest.mark.parametrize("limit", [0, 262_144, 16_384, 1024, 256, 128, 60, 20])
def test_a_prepared_message_is_the_one_that_would_have_been_encoded(limit) -> None:
    (made,) = template.generated({"mr": 1}, 9000, None, ROOT)
    values = IDENTITY.values(ROOT)
    values[Field.MESSAGE_ID] = (4711).to_bytes(2, "little")
    message = prepared.store(made, 5, limit, ROOT)
    groups = message.groups(values)
    command, data, longest = _messages(groups)
    elements = wire.parse_command(command)
    assert elements[0x0110] == wire.us(4711)
    assert elements[0x1000].rstrip(b"\0").decode() == IDENTITY.instance_uid(ROOT)
    assert data.startswith(made.pieces(ROOT).render(values))
    assert data.endswith(made.data[made.head :])
    assert longest <= (limit or 1 << 20)
    assert b"".join(map(b"".join, groups)) == b"".join(fragment(5, command, data, limit))
    assert message.groups(values) == groups


@pytest.mark.parametrize("kind", ["ct", "mr", "us", "cr", "dx", "mg"])
def test_what_is_generated_is_a_data_set(kind) -> None:
    (made,) = template.generated({kind: 1}, 20_000, None, ROOT)
    data = made.pieces(ROOT).render(IDENTITY.values(ROOT)) + made.data[made.head :]
    found = pydicom.dcmread(BytesIO(wire_file(made.transfer_syntax_uid) + data), force=False)
    assert found.SOPInstanceUID == IDENTITY.instance_uid(ROOT)
    assert found.SOPClassUID == made.sop_class_uid
    assert found.Modality == kind.upper()
    assert found.StudyInstanceUID == IDENTITY.study_uid(ROOT)
    assert found.SeriesInstanceUID == IDENTITY.series_uid(ROOT)
    assert found.PatientID == "LOAD007000000061"
    assert found.InstanceNumber == 17
    assert found.SeriesNumber == 2
    assert all(map(is_valid, (found.SOPInstanceUID, found.StudyInstanceUID)))
    size = found.Rows * found.Columns * found.SamplesPerPixel * found.BitsAllocated // 8
    assert len(found.PixelData) == size + size % 2
    assert 10_000 <= size <= 30_000


def wire_file(syntax: str) -> bytes:
    """The outside of a file, for pydicom."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(uid)) + uid
    group = b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<L", len(element))
    return bytes(128) + b"DICM" + group + element


def test_real_sizes_are_real() -> None:
    made = template.generated({"ct": 1, "mr": 1}, None, None, ROOT)
    sizes = {one.name: len(one.data) for one in made}
    assert 524_288 < sizes["ct"] < 526_000
    assert 131_072 < sizes["mr"] < 133_000


def test_the_mix_is_kept_and_studies_make_sense() -> None:
    templates = template.generated({"ct": 70, "mr": 20, "dx": 10}, 100, (2, 5), ROOT)
    generated = instance_sequence.GeneratedInstances(templates, 3, whole=False)
    found = [generated.next(lane) for _ in range(100) for lane in range(10)]
    assert [sum(one.template == i for one in found) for i in range(3)] == [700, 200, 100]
    assert len({one.instance for one in found}) == 1000
    assert {one.process for one in found} == {3}
    for one in found:
        same_series = [other for other in found if other.series == one.series]
        assert len(same_series) <= 5
        assert len({(o.study, o.template, o.series_number) for o in same_series}) == 1
    complete = [s for s in {o.study for o in found} if sum(o.study == s for o in found) == 10]
    assert complete
    assert all(len({o.series for o in found if o.study == s}) == 2 for s in complete)


def test_a_study_at_a_time() -> None:
    templates = template.generated({"ct": 1, "mr": 1}, 100, (1, 3), ROOT)
    generated = instance_sequence.GeneratedInstances(templates, 0, whole=True)
    ended = []
    for _ in range(6):
        generated.next(0)
        ended.append(generated.study_ended(0))
    assert ended == [False, False, True] * 2


# files


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big-endian"])
def test_files_get_new_uids_and_keep_all_else(tmp_path, syntax) -> None:
    one = instances.make(transfer_syntax=instances.TRANSFER_SYNTAXES[syntax])
    (tmp_path / "a.dcm").write_bytes(one.part10())
    ((made,), notes) = file_templates.load((str(tmp_path),), ROOT, keep_uids=False)
    assert notes == []
    assert made.own_uid == ""
    data = made.pieces(ROOT).render(IDENTITY.values(ROOT)) + made.data[made.head :]
    before = pydicom.dcmread(tmp_path / "a.dcm")
    after = pydicom.dcmread(BytesIO(wire_file(one.transfer_syntax) + data))
    assert after.SOPInstanceUID == IDENTITY.instance_uid(ROOT)
    assert after.StudyInstanceUID == IDENTITY.study_uid(ROOT)
    assert after.SeriesInstanceUID == IDENTITY.series_uid(ROOT)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(before, keyword, getattr(after, keyword))
    assert dict(before.items()).keys() == dict(after.items()).keys()
    assert all(element == after[element.tag] for element in before)


def test_every_file_of_pydicom_is_patched_or_sent_as_it_is() -> None:
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    made, notes = file_templates.load((str(folder),), ROOT, keep_uids=False)
    assert len(made) > 50
    assert sum(not one.own_uid for one in made) > 50
    assert any("deflated" in note for note in notes)
    for one in made:
        message = prepared.store(one, 1, 16_384, ROOT)
        values = IDENTITY.values(ROOT) | {Field.MESSAGE_ID: b"\1\0"}
        command, data, _ = _messages(message.groups(values))
        uid = one.own_uid or IDENTITY.instance_uid(ROOT)
        assert wire.parse_command(command)[0x1000].rstrip(b"\0").decode() == uid
        assert len(data) == len(one.data)
        assert data == one.data if one.own_uid else uid.encode() in data


def test_files_may_keep_their_uids(tmp_path) -> None:
    one = instances.make()
    (tmp_path / "a.dcm").write_bytes(one.part10())
    ((made,), _) = file_templates.load((str(tmp_path),), ROOT, keep_uids=True)
    assert made.own_uid == one.uid
    assert made.data == one.data_set


def test_files_of_a_study_stay_together_and_come_anew() -> None:
    made = [template.Template(f"{i}", "", "", b"", 0, group=(i // 2, i)) for i in range(4)]
    sequence = instance_sequence.FileInstances(made, 0)
    found = [sequence.next(0) for _ in range(8)]
    assert [one.study for one in found] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len({one.series for one in found}) == 8

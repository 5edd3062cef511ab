"""Envelopes: what is encoded comes back, and any bytes are an envelope or a FabricError."""

from __future__ import annotations

import contextlib
from dataclasses import fields
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FabricError
from gateway.fabric.wire.envelopes import (
    ENVELOPES,
    Answered,
    Envelope,
    Refusal,
    Register,
    Requested,
    decode,
)
from gateway.fabric.wire.fields import MAX_BATCH
from gateway.fabric.wire.frames import (
    MAX_ENVELOPE,
    join_data,
    pack,
    split_data,
    topic_frame,
    topic_of,
    unpack,
)
from gateway.fabric.wire.terms import Binding, CancelReason

texts = st.text(max_size=20)
numbers = st.integers(0, 2**63 - 1)
seconds = st.floats(0, 1e9)
maps = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | numbers | texts | st.binary(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)
bindings = st.builds(Binding, texts, st.booleans(), st.booleans(), st.floats(0.001, 86400))
sizes = st.none() | st.integers(0, 64 * 1024 * 1024)
shared = st.tuples(texts, st.binary(max_size=20), maps)
requests = st.tuples(texts, numbers, numbers, seconds, numbers, maps, sizes)
answers = st.tuples(texts, st.booleans(), maps, sizes)
BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "int": numbers,
    "str": texts,
    "bool": st.booleans(),
    "float": seconds,
    "bytes": st.binary(max_size=50),
    "dict[str, Any]": maps,
    "tuple[Binding, ...]": st.lists(bindings, max_size=4).map(tuple),
    "tuple[SharedPart, ...]": st.lists(shared, max_size=3).map(tuple),
    "tuple[RequestItem, ...]": st.lists(requests, max_size=3).map(tuple),
    "tuple[AnswerItem, ...]": st.lists(answers, max_size=3).map(tuple),
    "tuple[str, ...]": st.lists(texts, max_size=4).map(tuple),
    "tuple[int, ...]": st.lists(numbers, max_size=4).map(tuple),
    "Refusal": st.sampled_from(Refusal),
    "CancelReason": st.sampled_from(CancelReason),
}
envelopes = st.one_of(
    *(st.builds(kind, *(BY_TYPE[str(f.type)] for f in fields(kind))) for kind in ENVELOPES.values())
)


@given(envelopes)
def test_what_is_encoded_comes_back(envelope: Envelope) -> None:
    assert decode(envelope.encode()) == envelope


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_an_error(data: bytes) -> None:
    with contextlib.suppress(FabricError):
        assert isinstance(decode(data), Envelope)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | texts
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


@given(st.sampled_from(list(ENVELOPES.values())), st.lists(values, max_size=12))
def test_any_fields_are_an_envelope_or_an_error(kind: type[Envelope], some: list[Any]) -> None:
    with contextlib.suppress(FabricError):
        assert isinstance(decode(msgpack.packb([kind.KIND, *some])), kind)
    with contextlib.suppress(FabricError):
        assert isinstance(decode(msgpack.packb([kind.KIND, *some, {}])), kind)


@given(envelopes, st.data())
def test_a_damaged_envelope_is_an_envelope_or_an_error(envelope: Envelope, data: Any) -> None:
    encoded = bytearray(envelope.encode())
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FabricError):
        assert isinstance(decode(bytes(encoded)), Envelope)
    with contextlib.suppress(FabricError):
        assert isinstance(decode(bytes(encoded[:place])), Envelope)


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdc\xff\xff" * 2000,
        b"\x91" * 100_000,
        b"\x81" * 100_000,
        b"\xd6\xff\x00\x00\x00\x00",
        b"\xc7\x00\x05",
        b"\x91\xc7\x00\xff",
        b"x" * (MAX_ENVELOPE + 1),
        b"\x93\x02\xa2\xff\xff\x80",
    ],
    ids=lambda data: data[:6].hex(),
)
def test_bombs_and_extensions_are_refused(data: bytes) -> None:
    with pytest.raises(FabricError):
        decode(data)


@pytest.mark.parametrize(
    "value",
    [object(), {"a": {1, 2}}, 2**65, "\ud800", {"deep": "x" * MAX_ENVELOPE}],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_travel_is_refused_where_it_is_made(value: Any) -> None:
    with pytest.raises(FabricError):
        pack(value)


def test_cycles_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(FabricError):
        Answered((("t", True, {"a": cycle}, None),)).encode()


@pytest.mark.parametrize(
    "binding",
    [["E", True, True], ["E", True, True, 0], ["E", 1, True, 1], ["E", True, True, 1e9], "E"],
    ids=str,
)
def test_bindings_are_checked(binding: Any) -> None:
    good = Register(1, "w", 1, 0, 1, 0, "", "", False, 1, (Binding("E"),))
    values = unpack(good.encode())
    values[-2] = [binding]
    with pytest.raises(FabricError):
        decode(pack(values))


@pytest.mark.parametrize(
    "answer",
    [
        ["t", True, {}],
        ["t", True, {}, None, 1],
        ["t" * 257, True, {}, None],
        [b"t", True, {}, None],
        ["t", 1, {}, None],
        ["t", True, [], None],
        ["t", True, {}, -1],
        ["t", True, {}, True],
        ["t", True, {}, 64 * 1024 * 1024 + 1],
        "t",
    ],
    ids=lambda answer: str(answer)[:30],
)
def test_answers_are_checked(answer: Any) -> None:
    good = ["t", False, {"status": 0}, None]
    assert decode(pack([3, [good, good], {}])) == Answered((tuple(good),) * 2)
    with pytest.raises(FabricError):
        decode(pack([3, [good, answer], {}]))


@pytest.mark.parametrize(
    "request_",
    [
        ["t", 0, 1, 30.0, 0, {}],
        ["t", -1, 1, 30.0, 0, {}, None],
        ["t", 0, None, 30.0, 0, {}, None],
        ["t", 0, 1, float("inf"), 0, {}, None],
        ["t", 0, 1, 30.0, 0.5, {}, None],
        ["t", 0, 1, 30.0, 0, b"", None],
        ["t", 0, 1, 30.0, 0, {}, b""],
    ],
    ids=str,
)
def test_requests_are_checked(request_: Any) -> None:
    shared = [["EVT_C_ECHO", b"", {}]]
    good = ["t", 0, 1, 30.0, 0, {"message_id": 1}, 5]
    assert isinstance(decode(pack([21, shared, [good, good], {}])), Requested)
    with pytest.raises(FabricError):
        decode(pack([21, shared, [good, request_], {}]))


def test_a_message_has_a_limited_number_of_answers() -> None:
    item = ("t", True, {}, None)
    assert decode(Answered((item,) * MAX_BATCH).encode()) == Answered((item,) * MAX_BATCH)
    with pytest.raises(FabricError):
        decode(Answered((item,) * (MAX_BATCH + 1)).encode())


@given(envelopes, maps)
def test_what_a_later_version_adds_is_ignored(envelope: Envelope, more: dict[str, Any]) -> None:
    values = unpack(envelope.encode())
    assert values[-1] == {} or isinstance(envelope, Register)
    assert decode(pack([*values[:-1], {**more, **values[-1]}])) == envelope
    for wrong in (values[:-1], [*values[:-1], None], [*values, {}]):
        with pytest.raises(FabricError):
            decode(pack(wrong))


@given(st.lists(st.none() | st.binary(max_size=9), max_size=6))
def test_data_sets_follow_one_another(sets: list[bytes | None]) -> None:
    present = [one for one in sets if one is not None]
    frame = join_data(present) if present else None
    sizes = [None if one is None else len(one) for one in sets]
    assert [None if one is None else bytes(one) for one in split_data(sizes, frame)] == sets
    with pytest.raises(FabricError, match="data frame of"):
        split_data([*sizes, 1], frame)
    with pytest.raises(FabricError, match="data frame of"):
        split_data(sizes, bytes(frame or b"") + b"x")


def test_whole_seconds_are_seconds() -> None:
    values = unpack(Register(1, "w", 1, 0, 1, 0, "", "", False, 1, (Binding("E"),)).encode())
    values[-2] = [["E", False, False, 30]]
    register = decode(pack(values))
    assert isinstance(register, Register)
    assert register.bindings == (Binding("E", deadline=30.0),)


@pytest.mark.parametrize("frame", [b"EVT_X", b"", b"\xff\0"])
def test_what_is_no_topic(frame: bytes) -> None:
    assert topic_of(frame) is None


def test_topics() -> None:
    assert topic_of(topic_frame("EVT_RELEASED")) == "EVT_RELEASED"


@pytest.mark.parametrize("bad", [["begun", object()], ["begun", 2**64], b"x" * MAX_ENVELOPE])
def test_what_cannot_be_encoded_leaves_nothing_behind(bad):
    """The next value is encoded as if there had been no other."""
    for _ in range(3):
        assert pack(["whole"]) == msgpack.packb(["whole"])
        with pytest.raises(FabricError):
            pack(bad)


def test_encoding_within_encoding():
    """A value whose encoding encodes another one is not mixed with it."""

    class Told(dict[str, int]):
        def items(self) -> Any:
            assert pack("inner") == msgpack.packb("inner")
            return super().items()

    assert pack(["outer", Told(a=1)]) == msgpack.packb(["outer", {"a": 1}])

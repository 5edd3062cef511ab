"""The instance of a sub-operation: located, with a context that fits, or refused with a reason."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gateway.acceptor.instance import SMALL, Unsendable, length_of, locate, locate_all
from gateway.datasets.instances import FilePart, Instance
from gateway.fabric import Answer
from gateway.spool import Claim
from gateway.ul.negotiation import AcceptedContext
from tests.peers import instances, wire

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "20240131-120000000-0-0123456789abcdef01234567"
CONTEXTS = [
    AcceptedContext(1, wire.CT, wire.EXPLICIT, False, True),
    AcceptedContext(3, wire.CT, wire.IMPLICIT, True, True),
    AcceptedContext(5, wire.CT, wire.EXPLICIT, True, False),
    AcceptedContext(7, wire.MR, wire.EXPLICIT, True, False),
]


def by_id(contexts: list[AcceptedContext]) -> dict[int, AcceptedContext]:
    return {context.id: context for context in contexts}


def find(
    payload: dict[str, Any], data: bytes | None = None, contexts=CONTEXTS
) -> tuple[int, Instance]:
    context, instance = locate(payload, data, by_id(contexts))
    return context.id, instance


def collect(instance: Instance) -> bytes:
    return read(instance.data_set())


def read(source: Any) -> bytes:
    async def gather() -> bytes:
        return source if isinstance(source, bytes) else b"".join([p async for p in source])

    return asyncio.run(gather())


@pytest.fixture
def file(tmp_path) -> tuple[Path, instances.Instance]:
    one = instances.make(size=3_000_000)
    path = tmp_path / "one.dcm"
    path.write_bytes(one.part10())
    return path, one


def test_a_file_goes_out_as_it_is(file) -> None:
    path, one = file
    context_id, found = find({"path": str(path)})
    assert context_id == 5, "the one in its transfer syntax, with us as the SCU"
    assert (found.sop_class_uid, found.sop_instance_uid) == (one.sop_class, one.uid)
    assert collect(found) == one.data_set


def test_a_claim_is_a_file(file) -> None:
    path, one = file
    claim = Claim(TOKEN, str(path), 0, 0, bytes(32))
    assert collect(find({"claim": claim.to_map()})[1]) == one.data_set


def test_a_data_set_goes_out_on_the_context_it_was_encoded_for() -> None:
    payload = {"sop_class_uid": wire.MR, "sop_instance_uid": "1.2", "context_id": 7}
    made = Instance(wire.MR, "1.2", wire.EXPLICIT, 4, data=b"data")
    assert find(payload, b"data") == (7, made)
    assert collect(find(payload, b"")[1]) == b""


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"path": 7},
        {"path": ""},
        {"path": "/nowhere/at/all"},
        {"path": "/etc/hostname"},
        {"path": "/tmp"},
        {"path": "bad\0name"},
        {"claim": {}},
        {"claim": {"path": 7}},
        {"claim": Claim(TOKEN, None, 0, 0, bytes(32)).to_map()},
        {"sop_class_uid": wire.MR, "sop_instance_uid": "1.2", "context_id": 9},
        {"sop_class_uid": wire.MR, "sop_instance_uid": "1.2", "context_id": 1},
        {"sop_class_uid": 1, "sop_instance_uid": "1.2", "context_id": 7},
        {"sop_class_uid": wire.MR, "sop_instance_uid": None, "context_id": 7},
    ],
    ids=repr,
)
def test_what_cannot_be_sent(payload: dict[str, Any]) -> None:
    with pytest.raises(Unsendable):
        find(payload, b"data")


def test_no_context_for_the_file_names_the_instance(file) -> None:
    path, one = file
    with pytest.raises(Unsendable) as caught:
        find({"path": str(path)}, contexts=CONTEXTS[:2])
    assert caught.value.sop_instance_uid == one.uid


def test_small_files_are_read_ahead_and_each_answer_has_its_result(file, tmp_path) -> None:
    large, _ = file
    one = instances.make(size=1000)
    small = tmp_path / "small.dcm"
    small.write_bytes(one.part10())
    asked = [{"path": str(p)} for p in (small, tmp_path / "missing.dcm", large)]
    answers = [Answer(payload, final=False) for payload in asked]
    read, missing, located = locate_all(answers, by_id(CONTEXTS))
    assert isinstance(missing, Unsendable)
    assert not isinstance(read, Unsendable)
    assert not isinstance(located, Unsendable)
    assert read.data_set == one.data_set
    assert isinstance(located.data_set, FilePart)


def test_a_file_is_closed_when_nobody_wants_the_rest(file) -> None:
    path, one = file

    async def begin() -> int:
        pieces = aiter(FilePart(path, 0, len(one.data_set)))
        first = await anext(pieces)
        await pieces.aclose()
        return len(first)

    assert asyncio.run(begin()) == 1024 * 1024


def described(path: Path, size: int, offset: int = 0, context_id: int = 5) -> dict[str, Any]:
    uids = {"sop_class_uid": wire.CT, "sop_instance_uid": "1.2.3"}
    where = {"path": str(path), "offset": offset, "size": size, "context_id": context_id}
    return {**uids, **where}


def test_a_described_file_is_sent_without_a_look_into_it(tmp_path) -> None:
    path = tmp_path / "any"
    path.write_bytes(b"-" * 7 + b"a data set")
    context_id, found = find(described(path, 10, 7))
    assert (context_id, found.sop_class_uid, found.sop_instance_uid) == (5, wire.CT, "1.2.3")
    assert found.transfer_syntax_uid == wire.EXPLICIT
    assert collect(found) == b"a data set"


@pytest.mark.parametrize(
    "change", [{"offset": -1}, {"size": -1}, {"context_id": 1}, {"path": "\0"}]
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path, change) -> None:
    with pytest.raises(Unsendable):
        find({**described(tmp_path, 10), **change})


def test_described_files_are_read_together_and_one_that_is_gone_fails_alone(tmp_path) -> None:
    path = tmp_path / "any"
    path.write_bytes(b"0123456789")
    answers = [Answer(described(path, size), final=False) for size in (10, 11, 4)]
    answers.insert(1, Answer(described(tmp_path / "gone", 4), final=False))
    whole, gone, cut_off, part = (one.data_set for one in locate_all(answers, by_id(CONTEXTS)))
    assert (whole, part) == (b"0123456789", b"0123")
    for missing in (gone, cut_off):
        with pytest.raises(OSError, match=r"No such file|became shorter"):
            read(missing)


def test_the_length_of_what_is_not_described_is_assumed() -> None:
    assert length_of(Answer({"path": "any"})) == length_of(Answer({"size": -1})) == SMALL
    assert length_of(Answer({"size": 3_000_000})) == 3_000_000

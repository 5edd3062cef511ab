"""This archive and DCMTK's answer 60 questions about 200 odd files alike.

Where they do not, `odd_questions` has the reason.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from struct import unpack_from
from typing import TYPE_CHECKING

import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from gateway.datasets.element_writer import ElementWriter
from gateway.requestor import Address, Proposal, Timeouts, associate
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN as EXPLICIT
from tests.cli import peers
from tests.conftest import running
from tests.interop.odd_files import odd_files
from tests.interop.odd_questions import (
    PATIENT,
    QUESTIONS,
    RETRIEVE_AE_TITLE,
    STUDY,
    Question,
    compared,
)
from tests.patience import WALL
from tests.peers import instances
from tests.peers.process import run_cli

if TYPE_CHECKING:
    from gateway.requestor import RequestorAssociation
    from tests.peers.raw import Address as Peer

pytestmark = pytest.mark.peer("dcmtk")

Answer = tuple[int, list[dict[int, bytes]]]
"""The final status, and the values of each match by tag."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> list[tuple[Question, Answer, Answer]]:
    """Each question with the answers of this archive and of DCMTK's."""
    folder = tmp_path_factory.mktemp("odd")
    files = instances.write_folder(folder / "files", odd_files())
    with running("") as gateway, peers.dcmqrscp(folder) as theirs:
        ours = answers_of(gateway.address, "GATEWAY", files)
        others = answers_of(theirs.address, "QR", files)
    return list(zip(QUESTIONS, ours, others, strict=True))


def answers_of(address: Peer, title: str, files: object) -> list[Answer]:
    program = run_cli("store", *address, files, "--aec", title)
    assert program.popen.returncode == 0, program.report()

    async def work() -> list[Answer]:
        proposal = Proposal(((PATIENT, (EXPLICIT,)), (STUDY, (EXPLICIT,))), called_ae_title=title)
        association = await associate(Address(*address), proposal, timeouts=Timeouts.all(WALL))
        found = [await ask(association, question) for question in QUESTIONS]
        await association.release()
        return found

    return asyncio.run(work())


async def ask(association: RequestorAssociation, question: Question) -> Answer:
    values = {0x00080052: ("CS", question.level.encode())}
    for keyword, value in question.keys.items():
        tag = tag_for_keyword(keyword)
        values[tag] = (dictionary_VR(tag), value)

    def encoded(transfer_syntax: str) -> bytes:
        writer = ElementWriter(transfer_syntax)
        return writer.data_set(writer.element(tag, *one) for tag, one in sorted(values.items()))

    operation = await association.c_find(question.model, encoded)
    status, found = -1, []
    async for response in operation:
        status = response.status
        if response.data_set is not None:
            found.append(elements(bytes(response.data_set)))
    return status, found


def elements(data: bytes) -> dict[int, bytes]:
    """The values of an identifier in explicit VR, all with short lengths."""
    at, found = 0, {}
    while at < len(data):
        group, number, _, length = unpack_from("<HH2sH", data, at)
        found[group << 16 | number] = data[at + 8 : at + 8 + length]
        at += 8 + length
    return found


def test_there_are_200_files_and_60_questions() -> None:
    assert len(odd_files()) == 200
    assert len({question.name for question in QUESTIONS}) == 60


def test_every_question_is_answered_to_its_end(answers) -> None:
    assert {(ours[0], theirs[0]) for _, ours, theirs in answers} == {(0x0000, 0x0000)}
    for question, (_, ours), _ in answers:
        if question.level != "PATIENT":
            assert all(match[RETRIEVE_AE_TITLE].strip() == b"GATEWAY" for match in ours)


def test_the_answers_are_those_of_dcmqrscp_or_differ_for_a_reason(answers) -> None:
    differ = {
        question.name
        for question, (_, ours), (_, theirs) in answers
        if Counter(map(compared, ours)) != Counter(map(compared, theirs))
    }
    assert differ == {question.name for question in QUESTIONS if question.reason}


def test_most_questions_find_something(answers) -> None:
    assert sum(bool(ours) for _, (_, ours), _ in answers) > 50

"""What the gateway accepts, a worker serves: all SOP classes, restarts, workers side by side."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from gateway.dimse import message as dimse
from gateway.dimse.command_elements import CommandField as Cmd
from gateway.dimse.services import service_of
from gateway.requestor import Address, Proposal, associate
from gateway.uid import KEYWORDS, UIDS, UidType
from tests.conftest import running
from tests.peers import dcmtk, wire
from tests.peers.raw import association
from tests.peers.workers import UserWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.requestor import RequestorAssociation
    from gateway.ul.negotiation import AcceptedContext
    from tests.peers.process import Gateway

ROOTS = ("PatientRoot", "StudyRoot", "PatientStudyOnly")
FIND, MOVE, GET = (
    [KEYWORDS[f"{root}QueryRetrieveInformationModel{what}"] for root in ROOTS]
    for what in ("Find", "Move", "Get")
)
STUDY_FIND, STUDY_GET = FIND[1], GET[1]
WORKLIST = KEYWORDS["ModalityWorklistInformationModelFind"]
NOT_SERVED = {0x0110, 0x0118, 0x0122, 0x0211, 0xC211, 0xC311, 0xC411, 0xC413, 0xC511, 0xC514}
"""What a request gets for which there is no worker, or whose handler does not know the class."""

WORKLIST_WORKER = """
from pydicom.dataset import Dataset

from gateway.sdk import Worker, evt, status

worker = Worker("ris")


@worker.on(evt.EVT_C_FIND, sop_classes=["1.2.840.10008.5.1.4.31"])
def find(event):
    found = Dataset()
    found.PatientID = event.context.abstract_syntax
    yield status.PENDING, found
"""


def known_uids() -> list[str]:
    """Every UID that DCMTK or the registry has, apart from transfer syntaxes."""
    kinds = {UidType.SOP_CLASS, UidType.META_SOP_CLASS}
    uids = {uid for uid, row in UIDS.items() if row.kind in kinds}
    tool = dcmtk.find("storescu")
    if tool is not None:
        libraries = subprocess.run(["ldd", tool], capture_output=True, text=True, check=True)
        (library,) = re.findall(r"=> (\S*libdcmdata\S*)", libraries.stdout)
        with open(library, "rb") as file:
            found = re.findall(rb"\0(1\.2\.840\.10008\.[0-9.]*[0-9])(?=\0)", file.read())
        uids |= {uid.decode("ascii") for uid in found}
    return sorted(uids)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running() as gateway:
        yield gateway


def test_every_context_that_is_accepted_is_served(gateway: Gateway) -> None:
    uids = known_uids()
    accepted: dict[str, dict[str, int]] = {}
    for start in range(0, len(uids), 128):
        accepted |= asyncio.run(ask_all(gateway, uids[start : start + 128]))
    storage = {uid for uid in uids if Cmd.C_STORE_RQ in service_of(uid).operations and uid in UIDS}
    storage -= {KEYWORDS["MediaStorageDirectoryStorage"]}
    assert set(accepted) - storage == {wire.VERIFICATION, *FIND, *MOVE, *GET}
    assert len(accepted) > 150
    assert not {uid: got for uid, got in accepted.items() if NOT_SERVED & set(got.values())}
    log = gateway.program.err.text
    assert "Traceback" not in log
    assert "unanswered" not in log


async def ask_all(gateway: Gateway, uids: list[str]) -> dict[str, dict[str, int]]:
    """Propose contexts, and ask each that is accepted for everything its service has."""
    proposal = Proposal(tuple((uid, (wire.IMPLICIT,)) for uid in uids))
    peer = await associate(Address(*gateway.address), proposal)
    try:
        contexts = list(peer.accepted_contexts.values())
        return {c.abstract_syntax: await ask(peer, c) for c in contexts}
    finally:
        await peer.close()


async def ask(peer: RequestorAssociation, context: AcceptedContext) -> dict[str, int]:
    """Return the status of each request of the service, by the event's name."""
    statuses = {}
    for operation in service_of(context.abstract_syntax).operations:
        request, data = request_of(operation, context.abstract_syntax, peer.next_message_id())
        response = await (await peer.invoke(context, request, data)).final()
        statuses[operation.name] = response.status
    return statuses


def request_of(operation: Cmd, uid: str, message_id: int) -> tuple[dimse.Request, bytes | None]:
    instance = f"1.2.3.{message_id}"
    level = wire.element(0x0052, b"STUDY ", 0x0008) + wire.element(0x000D, b"9.9\0", 0x0020)
    kinds: dict[Cmd, Any] = {
        Cmd.C_ECHO_RQ: lambda: (dimse.CEchoRQ(message_id), None),
        Cmd.C_STORE_RQ: lambda: (dimse.CStoreRQ(message_id, uid, instance), an_object(instance)),
        Cmd.C_FIND_RQ: lambda: (dimse.CFindRQ(message_id, uid), level),
        Cmd.C_GET_RQ: lambda: (dimse.CGetRQ(message_id, uid), level),
        Cmd.C_MOVE_RQ: lambda: (dimse.CMoveRQ(message_id, uid, "NOBODY"), level),
    }
    return kinds[operation]()


def an_object(uid: str) -> bytes:
    instance = wire.uid_value(uid)
    return wire.element(0x0018, instance, 0x0008) + b"".join(
        wire.element(tag, wire.uid_value(value), 0x0020)
        for tag, value in ((0x000D, "1.2.3"), (0x000E, "1.2.3.4"))
    )


def results(gateway: Gateway, *abstract: str) -> list[int]:
    """Return the result of each context that is proposed."""
    contexts = [wire.context(2 * n + 1, uid, wire.IMPLICIT) for n, uid in enumerate(abstract)]
    with association(gateway.address, *contexts) as peer:
        peer.release()
        assert peer.accepted is not None
        return [result for _, (result, _) in sorted(peer.accepted.contexts.items())]


def test_a_worklist_worker_beside_the_query_worker(gateway: Gateway, folder) -> None:
    assert results(gateway, WORKLIST, STUDY_FIND) == [3, 0]
    with UserWorker(folder, WORKLIST_WORKER, gateway.data, name="ris") as worker:
        worker.wait_ready()
        found = asyncio.run(find_both(gateway))
        source = WORKLIST_WORKER.replace('"ris"', '"rival"')
        with UserWorker(folder, source, gateway.data, name="rival") as rival:
            assert rival.wait() != 0
            assert "held by worker 'ris'" in rival.err.text
        worker.terminate()
        assert worker.wait() == 0
    assert found == [[WORKLIST], []]
    assert results(gateway, WORKLIST, STUDY_FIND) == [0, 0], "it may come back"


async def find_both(gateway: Gateway) -> list[list[str]]:
    """Return the Patient IDs that a worklist query and a study query find."""
    proposal = Proposal(tuple((uid, (wire.IMPLICIT,)) for uid in (WORKLIST, STUDY_FIND)))
    peer = await associate(Address(*gateway.address), proposal)
    level = wire.element(0x0052, b"STUDY ", 0x0008) + wire.element(0x0020, b"nobody", 0x0010)
    found = []
    for uid in (WORKLIST, STUDY_FIND):
        matches = [r async for r in await peer.c_find(uid, level) if r.data_set]
        found.append([re.search(rb"[\d.]{9,}", r.data_set)[0].decode() for r in matches])
    await peer.close()
    return found


def test_a_role_that_nobody_plays_is_not_answered(gateway: Gateway) -> None:
    """C-ECHO works although the peer proposed to be the SCP of Verification alone."""
    roles = wire.user_information(
        wire.maximum_length(16384),
        wire.implementation(),
        wire.role(wire.VERIFICATION, 0, 1),
        wire.role(wire.CT, 0, 1),
    )
    contexts = wire.context(1), wire.context(3, wire.CT, wire.IMPLICIT)
    with association(gateway.address, *contexts, user=roles) as peer:
        assert peer.accepted is not None
        assert peer.accepted.sub_items(0x54) == [wire.role(wire.CT, 0, 1)[4:]]
        assert peer.echo().status == 0
        peer.release()


@pytest.mark.parametrize("victim", ["acceptor-0", "query-0"])
def test_a_restart_does_not_change_what_is_accepted(gateway: Gateway, victim: str) -> None:
    """An acceptor that starts is told what the workers serve, and a dead worker still counts."""
    served = STUDY_FIND, STUDY_GET, wire.CT
    old = gateway.child(victim)
    os.kill(old, signal.SIGKILL)
    assert results(gateway, *served) == [0, 0, 0]
    gateway.wait_child(victim, other_than=old)
    assert results(gateway, *served) == [0, 0, 0]

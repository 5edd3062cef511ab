"""The requestor with pynetdicom's SCPs: every service, roles, identity, window, TLS."""

from __future__ import annotations

import asyncio
import threading
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom import _config as pynetdicom_config

from gateway.datasets.coding import decode, encoder
from gateway.requestor import (
    BASIC_SYNTAXES,
    Address,
    Collect,
    Proposal,
    Rejected,
    Timeouts,
    associate,
    identify,
)
from gateway.requestor.sync import Requestor
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN, KEYWORDS
from gateway.ul.items import UserIdentityAC, UserIdentityRQ
from tests.cli import peers
from tests.patience import WALL
from tests.peers import instances, wire
from tests.peers.process import run_cli
from tests.requestor.conftest import TEST_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator

FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
GET = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]
MOVE = KEYWORDS["StudyRootQueryRetrieveInformationModelMove"]
MPPS = KEYWORDS["ModalityPerformedProcedureStep"]
COMMITMENT = KEYWORDS["StorageCommitmentPushModel"]
FILM_SESSION = KEYWORDS["BasicFilmSession"]
PRINT = KEYWORDS["BasicGrayscalePrintManagementMeta"]
PATIENT = Timeouts.all(20)


def run(address, proposal, work, **options):
    async def whole():
        association = await associate(Address(*address), proposal, timeouts=PATIENT, **options)
        try:
            result = await work(association)
            await association.release()
            return result
        finally:
            await association.close()

    return asyncio.run(whole())


def match(name: str) -> Dataset:
    data_set = Dataset()
    data_set.PatientName = name
    data_set.StudyInstanceUID = "1.2.3"
    return data_set


def images(count: int) -> list[Dataset]:
    return [dcmread(BytesIO(one.part10())) for one in instances.many(count)]


def test_find_by_command() -> None:
    def find(event) -> Iterator:
        assert event.identifier.PatientName == "D*"
        for name in ("Doe^Jane", "Dent^Arthur"):
            yield 0xFF00, match(name)

    with peers.pynetdicom_scp([FIND], [(evt.EVT_C_FIND, find)]) as address:
        program = run_cli("find", *address, "-k", "PatientName=D*", "--json")
    assert program.popen.returncode == 0, program.report()
    found = [one["match"]["PatientName"] for one in peers.events(program.out.text, "match")]
    assert found == ["Doe^Jane", "Dent^Arthur"]


def test_find_is_cancelled() -> None:
    shown = threading.Event()

    def find(event) -> Iterator:
        for _ in range(100_000):
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, match("Doe")
            shown.set()

    async def work(association) -> int:
        operation = await association.c_find(FIND, encoder(match("D*")))
        await operation.next()
        await operation.cancel()
        return (await operation.final()).status

    with peers.pynetdicom_scp([FIND], [(evt.EVT_C_FIND, find)]) as address:
        assert run(address, Proposal(((FIND, BASIC_SYNTAXES),)), work) == 0xFE00


def test_get_by_command(tmp_path) -> None:
    data_sets = images(5)

    def get(event) -> Iterator:
        yield len(data_sets)
        for data_set in data_sets:
            yield 0xFF00, data_set

    handlers = [(evt.EVT_C_GET, get)]
    with peers.pynetdicom_scp([GET], handlers, BASIC_SYNTAXES, roles=[wire.CT]) as address:
        program = run_cli("get", *address, "-k", "StudyInstanceUID=1.2.3", "-o", tmp_path)
    assert program.popen.returncode == 0, program.report()
    assert "5 received, 5 written; success" in program.out.text
    found = {identify(path).sop_instance_uid for path in tmp_path.iterdir()}
    assert found == {one.SOPInstanceUID for one in data_sets}


def test_move_by_command() -> None:
    data_sets = images(3)
    got = []

    def store(event) -> int:
        got.append((event.request.MoveOriginatorMessageID, event.dataset.SOPInstanceUID))
        return 0

    handlers = [(evt.EVT_C_STORE, store)]
    with peers.pynetdicom_scp([wire.CT], handlers, BASIC_SYNTAXES) as destination:

        def move(event) -> Iterator:
            assert event.request.MoveDestination == "DEST"
            yield destination
            yield len(data_sets)
            for data_set in data_sets:
                yield 0xFF00, data_set

        handlers = [(evt.EVT_C_MOVE, move)]
        with peers.pynetdicom_scp([MOVE], handlers, BASIC_SYNTAXES, roles=[wire.CT]) as address:
            program = run_cli("move", *address, "--dest", "DEST", "-k", "StudyInstanceUID=1.2.3")
    assert program.popen.returncode == 0, program.report()
    assert "3 moved; success" in program.out.text
    assert [uid for _, uid in got] == [one.SOPInstanceUID for one in data_sets]


def test_normalized_services() -> None:
    seen = []

    def attributes(event):
        seen.append(event.event.name)
        return 0x0000, match("Answer")

    def delete(event) -> int:
        seen.append(event.event.name)
        return 0x0000

    handlers = [
        (evt.EVT_N_CREATE, attributes),
        (evt.EVT_N_SET, attributes),
        (evt.EVT_N_GET, attributes),
        (evt.EVT_N_ACTION, attributes),
        (evt.EVT_N_DELETE, delete),
    ]

    async def work(association) -> list[int]:
        asked = encoder(match("Question"))
        answers = [
            await association.n_create(FILM_SESSION, "1.2.3", asked),
            await association.n_set(FILM_SESSION, "1.2.3", asked),
            await association.n_action(FILM_SESSION, "1.2.3", 1, asked),
            await association.n_delete(FILM_SESSION, "1.2.3"),
            await association.n_get(
                KEYWORDS["Printer"], KEYWORDS["PrinterInstance"], (0x00100010,)
            ),
        ]
        syntax = association.context_for(FILM_SESSION).transfer_syntax
        assert decode(answers[0].data_set, syntax).PatientName == "Answer"
        return [one.status for one in answers]

    with peers.pynetdicom_scp([PRINT], handlers) as address:
        assert run(address, Proposal(((PRINT, BASIC_SYNTAXES),)), work) == [0] * 5
    assert seen == ["EVT_N_CREATE", "EVT_N_SET", "EVT_N_ACTION", "EVT_N_DELETE", "EVT_N_GET"]


def test_event_report_comes_on_our_association() -> None:
    reports = []

    def action(event):
        def report() -> None:
            event.assoc.send_n_event_report(
                match("Committed"), 1, COMMITMENT, "1.2.840.10008.1.20.1.1"
            )

        reporting.append(threading.Thread(target=report))
        reporting[0].start()
        return 0x0000, None

    reporting: list[threading.Thread] = []
    arrived = threading.Event()

    def handler(incoming):
        def take(data: bytes) -> int:
            reports.append(decode(data, incoming.context.transfer_syntax).PatientName)
            arrived.set()
            return 0

        return Collect(take)

    async def work(association) -> None:
        sent = encoder(match("Please"))
        assert (await association.n_action(COMMITMENT, "1.2.3", 1, sent)).status == 0
        assert await asyncio.to_thread(arrived.wait, 10)

    handlers = [(evt.EVT_N_ACTION, action)]
    with peers.pynetdicom_scp([COMMITMENT], handlers) as address:
        run(address, Proposal(((COMMITMENT, BASIC_SYNTAXES),)), work, handler=handler)
        reporting[0].join(WALL)
    assert reports == ["Committed"]


def test_user_identity_and_extended_negotiation() -> None:
    def verify(event):
        return event.primary_field == b"user", b"ticket"

    def extended(event):
        return {wire.CT: b"\x01" + event.app_info[wire.CT]}

    handlers = [(evt.EVT_USER_ID, verify), (evt.EVT_SOP_EXTENDED, extended)]

    async def work(association) -> None:
        user = association.acceptance.user_information
        assert user.user_identity == UserIdentityAC(b"ticket")
        assert user.sop_class_extended[0].application_information == b"\x01\x07"

    def proposal(name: bytes) -> Proposal:
        return Proposal(
            ((wire.CT, BASIC_SYNTAXES),),
            extended={wire.CT: b"\x07"},
            identity=UserIdentityRQ(3, True, name),
        )

    with peers.pynetdicom_scp([wire.CT], handlers) as address:
        run(address, proposal(b"user"), work)
        with pytest.raises(Rejected):
            run(address, proposal(b"intruder"), work)


def test_sync_face_from_many_threads() -> None:
    count = 8

    def store(event) -> int:
        return 0xB007 if event.request.AffectedSOPInstanceUID.endswith("7") else 0

    pynetdicom_config.USE_SHORT_DIMSE_AET = False
    ae = AE()
    ae.maximum_associations = count
    ae.add_supported_context(KEYWORDS["CTImageStorage"], EXPLICIT_VR_LITTLE_ENDIAN)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    instance = identify(TEST_FILES / "CT_small.dcm")
    proposal = Proposal(((instance.sop_class_uid, (instance.transfer_syntax_uid,)),))
    results: list[int] = []

    def work(requestor: Requestor) -> None:
        address = Address(*server.socket.getsockname())
        with requestor.associate(address, proposal, timeouts=PATIENT) as association:
            results.extend(association.c_store(instance).status for _ in range(5))

    try:
        with Requestor() as requestor:
            threads = [threading.Thread(target=work, args=(requestor,)) for _ in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WALL)
    finally:
        server.shutdown()
    assert results == [0] * (count * 5)

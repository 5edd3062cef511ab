"""Handlers called without a process or socket: the status table shows."""

from __future__ import annotations

import os
import threading

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, JPEG2000Lossless, generate_uid

from gateway import Worker, evt
from gateway.sdk import testing
from tests.data_sets import data_set
from tests.handlers import returning, yielding
from tests.patience import WALL
from tests.peers import instances, wire

IDENTIFIER = Dataset()
IDENTIFIER.PatientID = "P1"
MATCH = Dataset()
MATCH.PatientID = "P1"
MATCH.StudyDate = "20240131"
VERIFICATION = "1.2.840.10008.1.1"
MPPS = "1.2.840.10008.3.1.2.3.3"


def ct(**values) -> Dataset:
    made = Dataset()
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID = generate_uid()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def unencodable() -> Dataset:
    broken = ct(Rows=1)
    broken["Rows"]._value = "many"
    return broken


def raises(event):
    raise ValueError("out of luck")


@pytest.fixture
def ct_file(tmp_path):
    path = tmp_path / "ct.dcm"
    path.write_bytes(instances.make().part10())
    return path


# The status table


@pytest.mark.parametrize("answer", [raises, returning(None), returning("0"), returning(data_set())])
def test_echo_vouches_for_the_association_only(answer) -> None:
    assert testing.echo(answer) == 0x0000


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        (raises, 0xC211),
        (returning(0x0000), 0x0000),
        (returning(0xB007), 0xB007),
        (returning(data_set(Status=0xA900, ErrorComment="no")), 0xA900),
        (returning(data_set(ErrorComment="no")), 0xC001),
        (returning(None), 0xC002),
        (returning("0000"), 0xC002),
        (returning(0xFF00), 0xC002),
        (returning(0xFE00), 0xC002),
        (returning(0x10000), 0xC002),
    ],
)
def test_store_statuses(handler, status: int) -> None:
    assert testing.store(handler, ct()) == status


@pytest.mark.parametrize(
    ("handler", "statuses"),
    [
        (raises, [0xC311]),
        (returning(None), [0x0000]),
        (returning(0), [0xC002]),
        (yielding(), [0x0000]),
        (yielding((0xFF00, MATCH)), [0xFF00, 0x0000]),
        (yielding((0xFF00, MATCH), (0xFF00, MATCH), (0x0000, None)), [0xFF00, 0xFF00, 0x0000]),
        (yielding((0xFF00, MATCH), ValueError()), [0xFF00, 0xC311]),
        (yielding((0xA700, None), (0xFF00, MATCH)), [0xA700]),
        (yielding((0xFF00, unencodable())), [0xC312]),
        (yielding((data_set(), None)), [0xC001]),
        (yielding(0xFF00), [0xC002]),
    ],
)
def test_find_statuses(handler, statuses: list[int]) -> None:
    assert [status for status, _ in testing.find(handler, IDENTIFIER)] == statuses


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        (raises, 0xC411),
        (yielding(ValueError()), 0xC413),
        (yielding(), 0xC413),
        (yielding("one"), 0xC413),
        (yielding(70_000), 0xC416),
        (yielding((0xA701, None)), 0xA701),
        (yielding(data_set(Status=0xA701)), 0xA701),
        (yielding(0), 0x0000),
        (yielding(1, (0xFF00, ct())), 0x0000),
        (yielding(1, (0xFF00, unencodable())), 0xA702),
        (yielding(2, (0xFF00, ct()), (0xFF00, unencodable())), 0xB000),
        (yielding(2, (0xFF00, ct())), 0xB000),
        (yielding(2, (0xFF00, ct()), ValueError()), 0xC411),
        (yielding(1, (0xFF00, "/no/such/file")), 0xA702),
        (yielding(1, None), 0xC002),
    ],
)
def test_get_statuses(handler, status: int) -> None:
    assert testing.get(handler, IDENTIFIER).status == status


HERE = ("127.0.0.1", 104)


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        (raises, 0xC511),
        (yielding(ValueError()), 0xC514),
        (yielding(), 0xC514),
        (yielding((None, None)), 0xA801),
        (yielding("NOWHERE"), 0xA801),
        (yielding(("host", "port")), 0xC515),
        (yielding((*HERE, {"nonsense": 1})), 0xC515),
        (yielding(HERE), 0xC513),
        (yielding(HERE, "one"), 0xC513),
        (yielding(HERE, 70_000), 0xC516),
        (yielding(HERE, 0), 0x0000),
        (yielding(HERE, 1, (0xFF00, ct())), 0x0000),
        (yielding(HERE, 1, (0xFF00, unencodable())), 0xA702),
        (yielding(HERE, 2, (0xFF00, ct()), (0xFF00, unencodable())), 0xB000),
        (yielding(HERE, 2, (0xFF00, ct()), ValueError()), 0xC511),
    ],
)
def test_move_statuses(handler, status: int) -> None:
    assert testing.move(handler, IDENTIFIER).status == status


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        (raises, 0x0110),
        (returning((0x0000, None)), 0x0000),
        (returning((0x0000, unencodable())), 0x0110),
        (returning((data_set(), None)), 0xC001),
        (returning((None, None)), 0xC002),
        (returning(0x0000), 0xC002),
        (returning((0xFF00, None)), 0x0110),
    ],
)
def test_n_statuses(handler, status: int) -> None:
    assert testing.n_create(handler, MATCH, MPPS)[0] == status
    assert testing.n_set(handler, MATCH, MPPS, "1.2.3")[0] == status
    assert testing.n_get(handler, [], MPPS, "1.2.3")[0] == status
    assert testing.n_action(handler, MATCH)[0] == status
    assert testing.n_event_report(handler, MATCH)[0] == status
    assert testing.n_delete(raises, MPPS, "1.2.3") == 0x0110


# What a handler sees and does


def test_a_stored_data_set() -> None:
    sent, seen = ct(PatientID="P1"), []

    def handler(event):
        seen.append((event.dataset, event.request.AffectedSOPInstanceUID, event.attempt))
        assert event.dataset_path.is_file()
        assert event.file_meta.SourceApplicationEntityTitle == "CT1"
        assert event.encoded_dataset()[128:132] == b"DICM"
        return 0

    assert testing.store(handler, sent, ae_title="CT1", attempt=2) == 0
    assert seen == [(sent, sent.SOPInstanceUID, 2)]


@pytest.mark.parametrize("size", [2048, 200_000], ids=["inline", "spooled"])
def test_a_stored_file_may_be_taken(tmp_path, size: int) -> None:
    instance = instances.make(size=size)
    path, taken = tmp_path / "ct.dcm", tmp_path / "taken.dcm"
    path.write_bytes(instance.part10())

    def handler(event):
        assert (event.claim.path is None) == (size == 2048)
        assert event.encoded_dataset(include_meta=False) == instance.data_set
        os.rename(event.dataset_path, taken)
        return 0

    assert testing.store(handler, path) == 0
    assert dcmread(taken) == dcmread(path)
    assert path.exists()


def test_matches_are_what_the_peer_decodes() -> None:
    def handler(event):
        assert event.identifier == IDENTIFIER
        assert event.context.abstract_syntax.name.startswith("Study Root")
        yield 0xFF00, MATCH

    assert testing.find(handler, IDENTIFIER) == [(0xFF00, MATCH), (0x0000, None)]


def test_a_list_of_matches_is_as_many_responses() -> None:
    found = testing.find(yielding((0xFF00, [MATCH, MATCH]), (0xFF00, []), (0xFF01, MATCH)), MATCH)
    assert found == [(0xFF00, MATCH), (0xFF00, MATCH), (0xFF01, MATCH), (0x0000, None)]


def test_one_of_a_list_that_cannot_be_encoded_ends_the_query() -> None:
    found = testing.find(yielding((0xFF00, [MATCH, unencodable(), MATCH]), (0xFF00, MATCH)), MATCH)
    assert found == [(0xFF00, MATCH), (0xC312, None)]


def test_a_list_of_instances_is_as_many_suboperations(ct_file) -> None:
    broken = unencodable()
    values = 5, (0xFF00, [ct_file, broken, ct()]), (0xFF00, [ct(), ct()])
    got = testing.get(yielding(*values), IDENTIFIER)
    assert (got.status, got.number, got.completed, got.failed) == (0xB000, 5, 4, 1)
    assert got.failed_uids == [broken.SOPInstanceUID]
    assert got.sent[0] == ct_file


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_cancelled_find(after: int) -> None:
    def handler(event):
        while True:
            assert not event.is_cancelled
            yield 0xFF00, MATCH

    def polite(event):
        while not event.is_cancelled:
            yield 0xFF00, MATCH
        yield 0xFE00, None

    expected = [(0xFF00, MATCH)] * after + [(0xFE00, None)]
    assert testing.find(polite, IDENTIFIER, cancel_after=after) == expected
    if after:
        assert testing.find(handler, IDENTIFIER, cancel_after=after)[-1][0] in (0xFE00, 0xC311)


def test_a_retrieval(ct_file) -> None:
    one = ct()
    found = testing.get(yielding(3, (0xFF00, one), (0xFF00, ct_file), (0xFF00, unencodable())),
                        IDENTIFIER)  # fmt: skip
    assert (found.status, found.number) == (0xB000, 3)
    assert (found.completed, found.failed, found.warnings) == (2, 1, 0)
    assert found.sent == [one, ct_file]
    assert len(found.failed_uids) == 1
    moved = testing.move(
        yielding(("host", 104, {"ae_title": "THERE"}), 2, (0xFF00, one), (0xFF00, ct_file)),
        IDENTIFIER,
    )
    assert (moved.status, moved.number, moved.completed) == (0x0000, 2, 2)
    assert (moved.sent, moved.destination) == ([one, ct_file], ("host", 104, "THERE"))


def test_a_peer_that_takes_nothing() -> None:
    one = ct()
    for ask in (testing.get, testing.move):
        first = () if ask is testing.get else (HERE,)
        found = ask(yielding(*first, 1, (0xFF00, one)), IDENTIFIER, status=0xA700)
        assert (found.status, found.failed) == (0xA702, 1)
        assert found.failed_uids == [one.SOPInstanceUID]
        found = ask(yielding(*first, 1, (0xFF00, one)), IDENTIFIER, status=0xB000)
        assert (found.status, found.warnings) == (0xB000, 1)


def test_a_peer_that_accepts_little() -> None:
    contexts = [(CTImageStorage, JPEG2000Lossless)]
    found = testing.get(yielding(1, (0xFF00, ct())), IDENTIFIER, contexts=contexts)
    assert (found.status, found.sent) == (0xA702, [])


def test_a_destination_by_its_name() -> None:
    def handler(event):
        assert event.move_destination == "ARCHIVE"
        yield event.move_destination
        yield 0

    table = {"ARCHIVE": ("10.0.0.7", 11112)}
    found = testing.move(handler, IDENTIFIER, "ARCHIVE", destinations=table)
    assert (found.status, found.destination) == (0x0000, ("10.0.0.7", 11112, "ARCHIVE"))


def test_what_the_n_services_carry() -> None:
    def handler(event):
        seen.append(event)
        return 0x0000, MATCH

    seen = []
    assert testing.n_action(handler, IDENTIFIER, 1) == (0, MATCH)
    assert testing.n_event_report(handler, IDENTIFIER, 2) == (0, MATCH)
    assert testing.n_create(handler, IDENTIFIER, MPPS, "1.2.3") == (0, MATCH)
    assert testing.n_get(handler, [0x00100010], MPPS, "1.2.3") == (0, MATCH)
    assert testing.n_set(handler, IDENTIFIER, MPPS, "1.2.3") == (0, MATCH)
    action, report, create, get, change = seen
    assert (action.action_information, action.action_type) == (IDENTIFIER, 1)
    assert (report.event_information, report.event_type) == (IDENTIFIER, 2)
    assert (create.attribute_list, create.request.AffectedSOPInstanceUID) == (IDENTIFIER, "1.2.3")
    assert get.attribute_identifiers == [0x00100010]
    assert (change.modification_list, change.request.RequestedSOPClassUID) == (IDENTIFIER, MPPS)
    assert testing.n_delete(returning(0x0112), MPPS, "1.2.3") == 0x0112


def test_the_peer_is_what_was_said() -> None:
    def handler(event):
        requestor = event.assoc.requestor
        seen.append((requestor.ae_title, requestor.address, requestor.user_identity.primary_field))
        seen.append((event.assoc.acceptor.ae_title, event.assoc.is_established))
        return 0

    seen = []
    testing.echo(handler, ae_title="CT1", address="10.0.0.7", user_identity=(1, b"me"))
    assert seen == [("CT1", "10.0.0.7", b"me"), ("GATEWAY", True)]
    with pytest.raises(TypeError, match="colour"):
        testing.echo(handler, colour="red")
    with pytest.raises(TypeError, match="ae_title"):
        testing.echo(handler, peer=testing.Peer(), ae_title="CT1")


def test_what_a_handler_does_beside_answering() -> None:
    def handler(event):
        event.publish(evt.EVT_INSTANCE_STORED, {"path": "x"})
        status = event.assoc.send_c_store(one)
        event.assoc.release()
        assert not event.assoc.is_established
        return status

    one = ct()
    contexts = [(CTImageStorage, wire.EXPLICIT)]
    peer = testing.Peer(contexts=contexts, status=0xB007)
    assert testing.store(handler, ct(), peer=peer) == 0xB007
    assert peer.published == [("EVT_INSTANCE_STORED", {"path": "x"})]
    ((kind, parameters, attached),) = peer.requests
    assert (kind, parameters["affected_sop_instance_uid"]) == ("CStoreRQ", one.SOPInstanceUID)
    assert attached == one
    assert peer.ended == "release"


# Handlers and workers


def test_a_worker_and_its_arguments() -> None:
    worker = Worker("mine")
    worker.bind(evt.EVT_C_STORE, lambda event, first, second: first + second, [0xB000, 7])
    assert testing.store(worker, ct()) == 0xB007
    with pytest.raises(LookupError, match="worker mine has bound nothing to EVT_C_ECHO"):
        testing.echo(worker)
    with pytest.raises(TypeError, match="own arguments"):
        testing.store(worker, ct(), args=[1])


def test_a_handler_and_its_arguments() -> None:
    assert testing.echo(lambda event, status: status, args=[0x0110]) == 0x0110
    with pytest.raises(TypeError, match="cannot be called"):
        testing.echo(lambda: 0)
    with pytest.raises(TypeError, match="generator"):
        testing.store(yielding(0), ct())


def test_asynchronous_handlers() -> None:
    async def store(event):
        return 0xB007

    async def find(event):
        yield 0xFF00, MATCH

    assert testing.store(store, ct()) == 0xB007
    assert testing.find(find, IDENTIFIER) == [(0xFF00, MATCH), (0x0000, None)]


def test_a_late_handler() -> None:
    worker, go = Worker("mine"), threading.Event()

    @worker.on(evt.EVT_C_STORE, deadline=0.05)
    def late(event):
        go.wait(WALL)
        return 0

    @worker.on(evt.EVT_C_GET, deadline=0.05)
    def late_get(event):
        yield 1
        go.wait(WALL)

    assert testing.store(worker, ct()) == 0xA700
    assert testing.get(worker, IDENTIFIER).status == 0xA702
    go.set()


def test_a_worker_with_its_surroundings(tmp_path) -> None:
    worker, called = Worker("mine"), []
    worker.bind(evt.EVT_C_ECHO, lambda event: worker.context.options["status"])

    @worker.on_start
    def begin():
        called.append(worker.context.data_dir)

    @worker.on_stop
    async def end():
        called.append("end")

    with testing.started(worker, tmp_path, status=0x0110):
        assert testing.echo(worker) == 0x0110
    assert called == [tmp_path, "end"]


# Negotiation


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (returning(True), None),
        (returning(False), (1, 1, 1)),
        (returning((1, 1, 3)), (1, 1, 3)),
        (raises, (2, 3, 1)),
        (returning(None), (2, 3, 1)),
        (returning((9, 9, 9)), (2, 3, 1)),
    ],
)
def test_admission(handler, outcome) -> None:
    assert testing.associate(handler) == outcome


def test_admission_by_what_is_proposed() -> None:
    def handler(event):
        proposed = [context.abstract_syntax for context in event.assoc.requested_contexts]
        return event.assoc.requestor.ae_title == "CT1" and proposed == [CTImageStorage]

    contexts = [(CTImageStorage, wire.EXPLICIT)]
    assert testing.associate(handler, ae_title="CT1", contexts=contexts) is None
    assert testing.associate(handler, ae_title="CT2", contexts=contexts) == (1, 1, 1)


def test_user_identity() -> None:
    def handler(event):
        assert event.user_id_type == 2
        return (event.primary_field, event.secondary_field) == (b"me", b"word"), b"ticket"

    assert testing.user_id(handler, 2, b"me", b"word") == (True, b"ticket")
    assert testing.user_id(handler, 2, b"me", b"wrong") == (False, b"ticket")
    assert testing.user_id(handler, 1, b"me") == (False, None), "a handler that raises"
    assert testing.user_id(returning(True), 1, b"me") == (False, None), "a garbled answer"


def test_the_other_negotiations() -> None:
    assert testing.async_ops(lambda event: (event.nr_invoked, 1), 8, 2) == (8, 1)
    assert testing.async_ops(raises, 8, 2) is None
    assert testing.sop_extended(lambda event: event.app_info, {"1.2": b"\1"}) == {"1.2": b"\1"}
    assert testing.sop_extended(raises, {"1.2": b"\1"}) == {}
    items = {"1.2": ("1.3", ["1.4"])}
    assert testing.sop_common(lambda event: event.items, items) == ["1.2"]
    assert testing.sop_common(raises, items) == []


# Notifications


def test_notifications() -> None:
    worker, seen = Worker("mine"), []
    worker.bind(evt.EVT_REJECTED, lambda event: seen.append((event.result, event.reason)))

    async def later(event, word):
        seen.append((word, event.assoc.requestor.ae_title))

    worker.bind(evt.EVT_REJECTED, later, ["word"])
    peer = testing.Peer(ae_title="CT1")
    testing.notify(worker, evt.EVT_REJECTED, peer=peer, result=1, source=1, reason=3)
    assert seen == [(1, 3), ("word", "CT1")]


def test_a_notification_of_a_pdu() -> None:
    seen = []
    testing.notify(lambda event: seen.append((event.pdu, event.length)), evt.EVT_PDU_RECV,
                   pdu=wire.release_rq())  # fmt: skip
    ((pdu, length),) = seen
    assert (type(pdu).__name__, length) == ("AReleaseRQ", 10)


def test_a_notification_handler_that_raises() -> None:
    worker, seen = Worker("mine"), []
    worker.bind(evt.EVT_RELEASED, raises)
    worker.bind(evt.EVT_RELEASED, seen.append)
    with pytest.raises(ValueError, match="out of luck"):
        testing.notify(worker, evt.EVT_RELEASED)
    assert len(seen) == 1, "the others are called all the same"


def test_nothing_is_left_behind() -> None:
    before = threading.active_count()
    testing.find(yielding((0xFF00, MATCH)), IDENTIFIER)
    testing.notify(returning(None), evt.EVT_RELEASED)
    for thread in threading.enumerate():
        if thread.name.startswith(("handler", "notifications")):
            thread.join(WALL)
    assert threading.active_count() <= before

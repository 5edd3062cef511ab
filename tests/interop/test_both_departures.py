"""What the facade does otherwise on purpose: the table in gateway/facade/README.md, row by row.

Each test states what a peer gets from pynetdicom and what it gets here.
"""

from __future__ import annotations

import pynetdicom
import pytest

import gateway
from tests.data_sets import data_set
from tests.handlers import returning, yielding
from tests.interop.both import (
    CT,
    ECHO,
    FILM_SESSION,
    FIND,
    GET,
    HOST,
    IMAGE_BOX,
    MOVE,
    MPPS,
    PRINT_META,
    PRINTER,
    RELEVANT_PATIENT,
    Told,
    finish,
    instance,
    pair_of,
    plain,
    send,
)
from tests.interop.test_both_libraries import get
from tests.peers import wire
from tests.peers.raw import RawPeer


@pytest.fixture(params=["pynetdicom", "gateway"])
def pair(request):
    with pair_of(request.param, "gateway") as made:
        yield made


def asked(pair, context, event, handler, what, *args, **options):
    """Return the answer to one request, and how often the handler was called."""
    called = Told()

    def counted(event):
        called.put(event)
        return handler(event)

    server = pair.serve([context], [(event, counted)])
    assoc = pair.associate(server, [context])
    answer = plain(send(assoc, what, *args, **options))
    assoc.release()
    return answer, not called.is_empty


def statuses(answers):
    return [status["Status"] for status, _ in answers]


@pytest.mark.parametrize(
    ("context", "what", "args", "theirs", "ours"),
    [
        (CT, "c_store", (instance(),), [0xC211], [0xA700]),
        (FIND, "c_find", (data_set(), FIND), [0xC311], [0xA700]),
        (GET, "c_get", (data_set(), GET), [0xC411], [0xA701]),
        (MOVE, "c_move", (data_set(), "D", MOVE), [0xC511], [0xA701]),
    ],
)
def test_nobody_bound(pair, context, what, args, theirs, ours):
    assoc = pair.associate(pair.serve([context]), [context])
    answer = plain(send(assoc, what, *args))
    found = [answer["Status"]] if what == "c_store" else statuses(answer)
    assert found == (ours if pair.is_gateway_server else theirs)
    finish(assoc)


def test_an_operation_that_the_service_does_not_have(pair):
    """0x0211 (PS3.7 C.5.23); pynetdicom aborts if it is a C-STORE, and else calls the handler."""
    sent = instance(SOPClassUID=MPPS)
    answer, called = asked(pair, MPPS, "EVT_C_STORE", returning(0x0000), "c_store", sent)
    assert (answer, called) == ({"Status": 0x0211} if pair.is_gateway_server else {}, False)


@pytest.mark.parametrize(
    ("context", "event", "what", "args"),
    [
        (PRINTER, "EVT_N_SET", "n_set", (data_set(PatientID="1"), PRINTER, "1.2.3")),
        (FILM_SESSION, "EVT_N_GET", "n_get", ([0x00100020], FILM_SESSION, "1.2.3")),
        (PRINTER, "EVT_N_DELETE", "n_delete", (PRINTER, "1.2.3")),
    ],
)
def test_an_operation_that_the_sop_class_does_not_have(pair, context, event, what, args):
    handler = returning(0x0000 if what == "n_delete" else (0x0000, data_set(PatientID="1")))
    answer, called = asked(pair, context, event, handler, what, *args)
    status = answer if what == "n_delete" else answer[0]
    ours = (0x0211, False)
    assert (status["Status"], called) == (ours if pair.is_gateway_server else (0x0000, True))


def test_a_sop_class_that_its_meta_sop_class_does_not_have(pair):
    answer, called = asked(
        *(pair, PRINT_META, "EVT_N_CREATE", returning((0x0000, None)), "n_create"),
        *(data_set(Modality="CT"), MPPS, "1.2.3"),
        meta_uid=PRINT_META,
    )
    ours = (0x0122, False)
    assert (answer[0]["Status"], called) == (ours if pair.is_gateway_server else (0x0000, True))


@pytest.mark.parametrize("status", [0xA900, 0xC123, 0xFE00])
def test_a_final_failure_without_failed_uids(pair, status):
    """pynetdicom's identifier has an empty FailedSOPInstanceUIDList."""
    seen, identifier, _ = get(pair, yielding(1, (status, None)))
    assert [one[0] for one in seen] == [status]
    theirs = {"FailedSOPInstanceUIDList": ""}
    assert identifier == ({} if pair.is_gateway_server else theirs)


@pytest.mark.parametrize(
    ("announced", "sent", "theirs", "ours"),
    [
        (3, 1, (0x0000, 2, 1, 0, 0), (0xB000, None, 1, 2, 0)),
        (1, 2, (0x0000, 0, 1, 0, 0), (0xB000, None, 2, 0, 0)),
    ],
    ids=["fewer", "more"],
)
def test_another_number_of_data_sets_than_announced(pair, announced, sent, theirs, ours):
    data_sets = [(0xFF00, instance(number)) for number in range(sent)]
    seen, _, _ = get(pair, yielding(announced, *data_sets))
    assert seen[-1] == (ours if pair.is_gateway_server else theirs)


@pytest.mark.parametrize(("what", "theirs"), [("c_get", 0xC413), ("c_move", 0xC514)])
def test_a_handler_that_returns_none(pair, what, theirs):
    model, event = (GET, "EVT_C_GET") if what == "c_get" else (MOVE, "EVT_C_MOVE")
    args = (data_set(), model) if what == "c_get" else (data_set(), "D", model)
    answer, _ = asked(pair, model, event, returning(None), what, *args)
    assert statuses(answer) == [0xC002 if pair.is_gateway_server else theirs]


PATIENT = data_set(PatientID="1")


@pytest.mark.parametrize(
    ("yielded", "theirs", "ours"),
    [
        ([(0xFF00, PATIENT)] * 2, [0xFF00, 0x0000], [0xFF00, 0xFF00, 0x0000]),
        ([(0xFF00, PATIENT), (0xA700, None)], [0xFF00, 0x0000], [0xFF00, 0xA700]),
        ([(0xFF00, PATIENT), ValueError()], [0xFF00, 0x0000], [0xFF00, 0xC311]),
    ],
    ids=["two", "failure", "raises"],
)
def test_what_a_relevant_patient_handler_yields_is_sent(pair, yielded, theirs, ours):
    answer, _ = asked(
        *(pair, RELEVANT_PATIENT, "EVT_C_FIND", yielding(*yielded), "c_find"),
        *(PATIENT, RELEVANT_PATIENT),
    )
    assert statuses(answer) == (ours if pair.is_gateway_server else theirs)


def test_a_move_whose_destination_rejects_the_association(pair):
    """As in pynetdicom; here the instance that was to be sent counts as failed."""
    destination = pair.serve([CT], ae_title="OTHER", require_called_aet=True)

    def move(event):
        port = destination.server_address[1]
        yield HOST, port, {"contexts": [pair.server.build_context(CT)]}
        yield 1
        yield 0xFF00, instance(1)

    answer, _ = asked(pair, MOVE, "EVT_C_MOVE", move, "c_move", data_set(), "D", MOVE)
    assert statuses(answer) == [0xA801]
    failed = {"FailedSOPInstanceUIDList": "1.2.826.0.1.99.1"}
    assert answer[-1][1] == (failed if pair.is_gateway_server else {})


def test_a_c_cancel_on_a_context_that_is_not_accepted():
    """A protocol error (PS3.8 9.3.2.2, 9.3.5.1); pynetdicom takes no notice of it."""
    with pair_of("pynetdicom", "pynetdicom") as pair:
        assoc = pair.associate(pair.serve([ECHO]), [ECHO])
        assoc.send_c_cancel(1, context_id=7)
        assert send(assoc, "c_echo").Status == 0x0000
    with pair_of("gateway", "pynetdicom") as pair:
        ended = Told()
        server = pair.serve([ECHO], [("EVT_ABORTED", lambda event: ended.put(True))])
        assoc = pair.associate(server, [ECHO])
        assoc.send_c_cancel(1, context_id=7)
        assert ended.next()
    with pair_of("gateway", "gateway") as pair:
        assoc = pair.associate(pair.serve([ECHO]), [ECHO])
        with pytest.raises(ValueError, match="context_id"):
            assoc.send_c_cancel(1, context_id=7)
        finish(assoc)


@pytest.mark.parametrize("lib", [pynetdicom, gateway])
def test_a_file_in_chunks_without_uids_in_its_file_meta(lib, tmp_path, monkeypatch):
    """pynetdicom raises for what it does not find there; here the data set says what it is."""
    config = pynetdicom._config if lib is pynetdicom else gateway.config_flags
    monkeypatch.setattr(config, "STORE_SEND_CHUNKED_DATASET", True)
    stored = Told()

    def store(event):
        stored.put(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    sent, path = instance(1), tmp_path / "sent.dcm"
    sent.preamble = bytes(128)
    sent.save_as(path, enforce_file_format=False)
    with pair_of("gateway", lib.__name__) as pair:
        assoc = pair.associate(
            pair.serve([CT], [("EVT_C_STORE", store)]), [(CT, "1.2.840.10008.1.2.1")]
        )
        if lib is pynetdicom:
            with pytest.raises(AttributeError, match="MediaStorageSOPClassUID"):
                assoc.send_c_store(path)
        else:
            assert assoc.send_c_store(path).Status == 0x0000
            assert stored.next() == sent.SOPInstanceUID


def moved(pair, *yielded, store=lambda event: 0x0000):
    """Return the answers to a C-MOVE to another server, and the C-STOREs that arrived there."""
    stored = Told()

    def keep(event):
        stored.put(event.request.MessageID)
        return store(event)

    destination = pair.serve([CT], [("EVT_C_STORE", keep)], ae_title="DEST")

    def move(event):
        contexts = {"contexts": [pair.server.build_context(CT)]}
        yield HOST, destination.server_address[1], contexts
        yield from yielded

    args = (data_set(), "DEST", MOVE)
    answers, _ = asked(pair, MOVE, "EVT_C_MOVE", move, "c_move", *args, msg_id=7)
    return answers, stored


def test_message_ids_of_sub_operations(pair):
    """They are the sender's own: no other request of it may have the same at that time."""
    instances = [(0xFF00, instance(number)) for number in range(2)]
    _, stored = moved(pair, 2, *instances)
    assert stored.take(2) == ([1, 2] if pair.is_gateway_server else [8, 9])


def test_a_warning_of_the_handler_before_anything_is_stored(pair):
    """What was announced and not sent has failed: with nothing stored, that is A702."""
    answers, _ = moved(pair, 2, (0xB000, data_set()))
    assert statuses(answers) == [0xA702 if pair.is_gateway_server else 0xB000]
    assert answers[0][0]["NumberOfFailedSuboperations"] == 2


@pytest.mark.parametrize("status", [0xFE00, 0xB000])
def test_a_cancel_or_warning_without_failed_uids(pair, status):
    """pynetdicom's identifier has an empty FailedSOPInstanceUIDList."""
    yielded = [(0xFF00, instance(1))] if status == 0xB000 else [(0xFE00, None)]
    answers, _ = moved(pair, 1, *yielded, store=returning(status))
    assert statuses(answers)[-1] == status
    assert answers[-1][1] == ({} if pair.is_gateway_server else {"FailedSOPInstanceUIDList": ""})


def test_an_association_whose_peer_has_released_it(pair):
    """It does not count any more, although its connection is still there."""
    server = pair.serve([ECHO])
    with RawPeer((HOST, server.server_address[1])) as peer:
        peer.associate(wire.context(1, ECHO, wire.IMPLICIT))
        assert len(server.active_associations) == 1
        peer.send(wire.release_rq())
        assert peer.recv_pdu() == wire.release_rp()
        assert len(server.active_associations) == (0 if pair.is_gateway_server else 1)


def test_a_data_set_that_is_larger_than_1_mib_is_on_disk():
    told = Told()

    def store(event):
        told.put(event.claim.path is not None)
        return 0x0000

    with pair_of("gateway", "pynetdicom") as pair:
        assoc = pair.associate(pair.serve([CT], [("EVT_C_STORE", store)]), [CT])
        for size in (1000, 1100 * 1024):
            assert send(assoc, "c_store", instance(1, PixelData=bytes(size))).Status == 0x0000
    assert told.take(2) == [False, True]


@pytest.mark.parametrize(("mebibytes", "status"), [(40, 0x0000), (65, 0x0213)])
def test_a_film_may_have_64_mib(mebibytes, status):
    def change(event):
        (image,) = event.modification_list.BasicGrayscaleImageSequence
        return (0x0000 if len(image.PixelData) == mebibytes << 20 else 0x0110), None

    image = data_set(PixelData=bytes(mebibytes << 20))
    image["PixelData"].VR = "OW"
    film = data_set(ImageBoxPosition=1, BasicGrayscaleImageSequence=[image])
    with pair_of("gateway", "gateway") as pair:
        assoc = pair.associate(pair.serve([IMAGE_BOX], [("EVT_N_SET", change)]), [IMAGE_BOX])
        answer, _ = assoc.send_n_set(film, IMAGE_BOX, "1.2.3")
        assert answer.Status == status
        finish(assoc)

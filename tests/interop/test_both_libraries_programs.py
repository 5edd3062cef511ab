"""Programs of pynetdicom's chapters on storage, query and retrieve, under both libraries.

Each is written as the documentation describes it, with names that programs import, and runs with
each library as server and as client.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.data_sets import data_set
from tests.handlers import yielding
from tests.interop.both import HOST, WAIT, Told, bound, finish, instance, plain, send
from tests.peers import procfs


def associated(pair, server, *contexts, **options):
    return pair.associate(server, list(contexts), **options)


def outcome(lib, answers):
    """Return the categories of statuses, and the data sets that came with them."""
    return [(lib.status.code_to_category(s.Status), plain(found)) for s, found in answers]


def test_verification(pair):
    told = Told()

    def handle_echo(event):
        requestor = event.assoc.requestor
        told.put((requestor.ae_title, event.message_id, type(event.request).__name__))
        return 0x0000

    uid = pair.server.sop_class.Verification
    server = pair.serve([uid], [("EVT_C_ECHO", handle_echo)])
    assoc = associated(pair, server, pair.client.sop_class.Verification, calling="ECHOSCU")
    status = send(assoc, "c_echo", msg_id=7)
    assert pair.client.status.code_to_category(status.Status) == "Success"
    assert told.next() == ("ECHOSCU", 7, "C_ECHO")
    finish(assoc)


def test_every_storage_class_is_supported_in_every_transfer_syntax(pair, tmp_path):
    def handle_store(event, folder):
        ds = event.dataset
        ds.file_meta = event.file_meta
        ds.save_as(folder / ds.SOPInstanceUID, enforce_file_format=True)
        return 0x0000

    lib = pair.server
    contexts = [
        (context.abstract_syntax, lib.ALL_TRANSFER_SYNTAXES)
        for context in lib.AllStoragePresentationContexts
    ]
    server = pair.serve(contexts, [("EVT_C_STORE", handle_store, [tmp_path])])
    sent = instance(3)
    assoc = associated(pair, server, pair.client.sop_class.CTImageStorage)
    assert send(assoc, "c_store", sent).Status == 0x0000
    finish(assoc)
    read = dcmread(tmp_path / sent.SOPInstanceUID)
    assert plain(read) == plain(sent)
    meta = read.file_meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (
        sent.SOPClassUID,
        sent.SOPInstanceUID,
    )
    assert meta.TransferSyntaxUID in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)


@pytest.mark.parametrize("how", ["encoded", "encoded-no-meta", "written-by-hand"])
def test_an_instance_is_written_as_it_came(pair, tmp_path, how):
    """The faster ways: `encoded_dataset`, and the bytes of the request behind a file meta."""
    path = tmp_path / "received"
    dsutils = pair.server.dsutils

    def handle_store(event):
        with path.open("wb") as file:
            if how == "encoded":
                file.write(event.encoded_dataset())
            elif how == "encoded-no-meta":
                file.write(event.encoded_dataset(include_meta=False))
            else:
                file.write(bytes(128) + b"DICM")
                file.write(dsutils.encode_file_meta(event.file_meta))
                file.write(event.request.DataSet.getvalue())
        return 0x0000

    contexts = pair.server.StoragePresentationContexts
    server = pair.serve([c.abstract_syntax for c in contexts], [("EVT_C_STORE", handle_store)])
    sent = instance(4)
    assoc = associated(pair, server, (sent.SOPClassUID, ExplicitVRLittleEndian))
    assert send(assoc, "c_store", sent).Status == 0x0000
    finish(assoc)
    if how == "encoded-no-meta":
        with path.open("rb") as file:
            assert plain(pair.client.dsutils.decode(file, False, True)) == plain(sent)
        return
    assert plain(dcmread(path)) == plain(sent)
    meta, offset = pair.client.dsutils.split_dataset(path)
    assert meta.MediaStorageSOPInstanceUID == sent.SOPInstanceUID
    assert path.read_bytes()[offset:] == dsutils.encode(sent, False, True)


@pytest.mark.parametrize("as_text", [True, False])
def test_files_of_a_folder_are_sent(pair, tmp_path, as_text):
    """With one association for each kind of instance, as the chapter on storage shows it."""
    stored = Told()

    def handle_store(event):
        stored.put((str(event.dataset.PatientID), event.assoc.requestor.ae_title))
        return 0x0000

    for number in range(2):
        instance(number).save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    server = pair.serve([instance().SOPClassUID], [("EVT_C_STORE", handle_store)])
    ae = pair.client.AE("SENDER")
    context = pair.client.build_context(pair.client.sop_class.CTImageStorage)
    for number, path in enumerate(sorted(tmp_path.iterdir())):
        assoc = ae.associate(HOST, server.server_address[1], contexts=[context])
        assert assoc.is_established
        assert send(assoc, "c_store", str(path) if as_text else path).Status == 0x0000
        assert stored.next() == (f"P{number}", "SENDER")
        finish(assoc)


def matches_of(instances, identifier):
    if identifier.QueryRetrieveLevel != "PATIENT" or "PatientID" not in identifier:
        return []
    return [ds for ds in instances if ds.PatientID == identifier.PatientID]


def query(number=1):
    return data_set(QueryRetrieveLevel="PATIENT", PatientID=f"P{number}")


INSTANCES = [instance(1), instance(2), instance(3, PatientID="P1")]


def test_query_of_a_patient(pair):
    def handle_find(event):
        if "QueryRetrieveLevel" not in event.identifier:
            yield 0xC000, None
            return
        for found in matches_of(INSTANCES, event.identifier):
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, data_set(PatientID=found.PatientID, QueryRetrieveLevel="PATIENT")

    name = "PatientRootQueryRetrieveInformationModelFind"
    server = pair.serve([getattr(pair.server.sop_class, name)], [("EVT_C_FIND", handle_find)])
    model = getattr(pair.client.sop_class, name)
    assoc = associated(pair, server, model)
    pending = ("Pending", {"PatientID": "P1", "QueryRetrieveLevel": "PATIENT"})
    answers = outcome(pair.client, send(assoc, "c_find", query(), model))
    assert answers == [pending, pending, ("Success", None)]
    answers = outcome(pair.client, send(assoc, "c_find", data_set(PatientID="P1"), model))
    assert answers == [("Failure", None)]
    finish(assoc)


def test_retrieval_on_the_same_association(pair):
    stored = Told()

    def handle_get(event):
        found = matches_of(INSTANCES, event.identifier)
        yield len(found)
        for ds in found:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, ds

    def handle_store(event):
        stored.put((str(event.dataset.SOPInstanceUID), event.context.abstract_syntax))
        return 0x0000

    lib = pair.server
    supported = [(c.abstract_syntax, None, True, True) for c in lib.StoragePresentationContexts]
    model = lib.sop_class.PatientRootQueryRetrieveInformationModelGet
    server = pair.serve([*supported, model], [("EVT_C_GET", handle_get)])
    ct = pair.client.sop_class.CTImageStorage
    assoc = associated(
        *(pair, server, model, ct),
        handlers=[("EVT_C_STORE", handle_store)],
        ext_neg=[lambda lib: lib.build_role(ct, scp_role=True)],
    )
    answers = send(assoc, "c_get", query(), model)
    assert [status.Status for status, _ in answers] == [0xFF00, 0xFF00, 0x0000]
    assert answers[-1][0].NumberOfCompletedSuboperations == 2
    assert stored.take(2) == [(INSTANCES[n].SOPInstanceUID, ct) for n in (0, 2)]
    finish(assoc)


@pytest.mark.parametrize("options", [False, True], ids=["address", "address-and-options"])
def test_retrieval_by_an_association_of_its_own(pair, options):
    stored = Told()

    def handle_store(event):
        stored.put((event.assoc.requestor.ae_title, event.dataset.SOPInstanceUID))
        return 0x0000

    ct = pair.server.sop_class.CTImageStorage
    archive = pair.serve([ct], [("EVT_C_STORE", handle_store)], lib=pair.client, ae_title="STORE")
    known = {"STORE": (HOST, archive.server_address[1])}

    def handle_move(event):
        try:
            host, port = known[event.move_destination]
        except KeyError:
            yield None, None
            return
        found = matches_of(INSTANCES, event.identifier)
        contexts = [pair.server.build_context(ct)]
        yield (host, port, {"contexts": contexts, "ae_title": "STORE"}) if options else (host, port)
        yield len(found)
        for ds in found:
            yield 0xFF00, ds

    ae = pair.server.AE("MOVER")
    ae.requested_contexts = pair.server.StoragePresentationContexts
    model = pair.server.sop_class.PatientRootQueryRetrieveInformationModelMove
    ae.add_supported_context(model)
    handlers = bound(pair.server, [("EVT_C_MOVE", handle_move)])
    server = ae.start_server((HOST, 0), block=False, evt_handlers=handlers)
    pair.stack.callback(ae.shutdown)
    assoc = associated(pair, server, model)
    answers = send(assoc, "c_move", query(), "STORE", model)
    assert [status.Status for status, _ in answers] == [0xFF00, 0xFF00, 0x0000]
    assert stored.take(2) == [("MOVER", INSTANCES[n].SOPInstanceUID) for n in (0, 2)]
    [(status, _)] = send(assoc, "c_move", query(), "UNKNOWN", model)
    assert status.Status == 0xA801
    finish(assoc)


def test_a_worklist(pair):
    def handle_find(event):
        [step] = event.identifier.ScheduledProcedureStepSequence
        found = data_set(PatientName="Doe^Jane", PatientID="J1")
        found.ScheduledProcedureStepSequence = [
            data_set(ScheduledStationAETitle=step.ScheduledStationAETitle, Modality="CT")
        ]
        yield 0xFF00, found

    name = "ModalityWorklistInformationFind"
    uid = getattr(pair.server.sop_class, name)
    server = pair.serve([uid], [("EVT_C_FIND", handle_find)])
    asked = data_set(PatientName="*")
    asked.ScheduledProcedureStepSequence = [data_set(ScheduledStationAETitle="CTSCANNER")]
    model = getattr(pair.client.sop_class, name)
    assoc = associated(pair, server, model)
    [(category, found), last] = outcome(pair.client, send(assoc, "c_find", asked, model))
    assert (category, last) == ("Pending", ("Success", None))
    assert found["ScheduledProcedureStepSequence"] == [
        {"ScheduledStationAETitle": "CTSCANNER", "Modality": "CT"}
    ]
    finish(assoc)


def test_relevant_patient_information(pair):
    found = data_set(
        PatientName="Doe^Jane", ContentTemplateSequence=[data_set(TemplateIdentifier="9007")]
    )
    name = "GeneralRelevantPatientInformationQuery"
    uid = getattr(pair.server.sop_class, name)
    server = pair.serve([uid], [("EVT_C_FIND", yielding((0xFF00, found)))])
    model = getattr(pair.client.sop_class, name)
    assoc = associated(pair, server, model)
    answers = outcome(pair.client, send(assoc, "c_find", data_set(PatientID="J1"), model))
    assert answers == [("Pending", plain(found)), ("Success", None)]
    finish(assoc)


def test_two_servers_of_one_ae_with_every_option(pair):
    """Titles and contexts for each server, handlers with arguments, limits and required titles."""
    told = Told()
    lib = pair.server
    ae = lib.AE("PARENT")
    ae.maximum_pdu_size = 0
    ae.maximum_associations = 5
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = WAIT
    ae.require_calling_aet = ["FRIEND"]
    ae.require_called_aet = True

    def handle_accepted(event, one, two):
        told.put((one, two, event.assoc.acceptor.ae_title))

    handlers = bound(lib, [("EVT_ACCEPTED", handle_accepted, ["optional", 2])])
    verification, ct = lib.sop_class.Verification, lib.sop_class.CTImageStorage
    servers = [
        ae.start_server(
            *((HOST, 0), False),
            ae_title=title,
            contexts=[lib.build_context(uid)],
            evt_handlers=handlers,
        )
        for title, uid in (("ECHO_SCP", verification), ("STORE_SCP", ct))
    ]
    pair.stack.callback(ae.shutdown)
    for server, title, uid in zip(
        servers, ("ECHO_SCP", "STORE_SCP"), (verification, ct), strict=True
    ):
        assoc = associated(pair, server, verification, ct, calling="FRIEND", called=title)
        assert [c.abstract_syntax for c in assoc.accepted_contexts] == [uid]
        assert assoc.acceptor.maximum_length == 0
        called = told.next()
        assert called[:2] == ("optional", 2)
        finish(assoc)
        for titles in ({"calling": "STRANGER", "called": title}, {"calling": "FRIEND"}):
            refused = associated(pair, server, verification, ct, must=False, **titles)
            assert refused.is_rejected
    ae.shutdown()
    assert ae.active_associations == []


def test_handlers_change_while_a_server_runs(pair):
    told = Told()

    def handle_open(event):
        told.put(("open", event.address[0]))

    def handle_close(event):
        told.put(("close", event.address[0]))

    uid = pair.server.sop_class.Verification
    server = pair.serve([uid], [("EVT_CONN_OPEN", handle_open)])
    finish(associated(pair, server, uid))
    assert told.next() == ("open", HOST)
    evt = pair.server.evt
    procfs.until(lambda: not server.active_associations, timeout=WAIT, what="the end")
    server.unbind(evt.EVT_CONN_OPEN, handle_open)
    server.bind(evt.EVT_CONN_CLOSE, handle_close)
    assert server.get_handlers(evt.EVT_CONN_OPEN) == []
    assert server.get_handlers(evt.EVT_CONN_CLOSE) == [(handle_close, None)]
    finish(associated(pair, server, uid))
    assert told.next() == ("close", HOST)


def test_a_requestor_with_every_option(pair):
    """A title, contexts, a local address, a longest PDU, handlers and items of negotiation."""
    told = Told()
    lib = pair.client
    verification = lib.sop_class.Verification
    server = pair.serve([verification, lib.sop_class.CTImageStorage], ae_title="ANY-SCP")
    ae = lib.AE("REQUESTOR")
    ae.implementation_class_uid = "1.2.3.4.5"
    ae.implementation_version_name = "ACME 1"
    contexts = lib.StoragePresentationContexts[:10]
    contexts.append(lib.build_context(verification, ImplicitVRLittleEndian))
    identity = lib.pdu_primitives.UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field = 1, b"somebody"
    assoc = ae.associate(
        *(HOST, server.server_address[1]),
        contexts=contexts,
        ae_title="ANY-SCP",
        max_pdu=32768,
        ext_neg=[identity],
        bind_address=(HOST, 0),
        evt_handlers=bound(lib, [("EVT_ACCEPTED", lambda e: told.put(e.assoc))]),
    )
    pair.stack.callback(assoc.abort)
    assert assoc.is_established
    assert told.next() is assoc
    [accepted] = assoc.accepted_contexts
    assert (accepted.abstract_syntax, accepted.transfer_syntax) == (
        verification,
        [ImplicitVRLittleEndian],
    )
    assert len(assoc.rejected_contexts) == 10
    assert (assoc.requestor.implementation_class_uid, assoc.requestor.maximum_length) == (
        "1.2.3.4.5",
        32768,
    )
    assert Path(assoc.requestor.implementation_version_name).name == "ACME 1"
    finish(assoc)

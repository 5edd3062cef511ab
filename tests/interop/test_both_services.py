"""Each operation of the service classes that have a chapter of their own in PS3.4, as programs for
pynetdicom use it: the SOP classes are named by keyword, and the same is seen on both sides."""

from __future__ import annotations

import pytest

from tests.data_sets import data_set
from tests.interop.both import Told, finish, hold, instance, plain, role, send

# queries and retrievals

QUERIES = {
    "basic-worklist": ["ModalityWorklistInformationFind"],
    "colour-palette": ["ColorPaletteInformationModelFind"],
    "defined-procedure": ["DefinedProcedureProtocolInformationModelFind"],
    "hanging-protocol": ["HangingProtocolInformationModelFind"],
    "implant-template": [
        "GenericImplantTemplateInformationModelFind",
        "ImplantAssemblyTemplateInformationModelFind",
        "ImplantTemplateGroupInformationModelFind",
    ],
    "inventory": ["InventoryFind"],
    "protocol-approval": ["ProtocolApprovalInformationModelFind"],
    "query-retrieve": [
        "PatientRootQueryRetrieveInformationModelFind",
        "StudyRootQueryRetrieveInformationModelFind",
        "PatientStudyOnlyQueryRetrieveInformationModelFind",
    ],
    "relevant-patient": [
        "GeneralRelevantPatientInformationQuery",
        "BreastImagingRelevantPatientInformationQuery",
        "CardiacRelevantPatientInformationQuery",
    ],
    "repository": ["RepositoryQuery"],
    "substance-administration": ["ProductCharacteristicsQuery", "SubstanceApprovalQuery"],
    "unified-procedure-step": ["UnifiedProcedureStepPull", "UnifiedProcedureStepWatch"],
}
RETRIEVALS = {
    "colour-palette": ("ColorPaletteInformationModel", "ColorPaletteStorage"),
    "defined-procedure": (
        "DefinedProcedureProtocolInformationModel",
        "CTDefinedProcedureProtocolStorage",
    ),
    "hanging-protocol": ("HangingProtocolInformationModel", "HangingProtocolStorage"),
    "implant-template": ("GenericImplantTemplateInformationModel", "GenericImplantTemplateStorage"),
    "inventory": ("Inventory", "InventoryStorage"),
    "protocol-approval": ("ProtocolApprovalInformationModel", "ProtocolApprovalStorage"),
    "study-root": ("StudyRootQueryRetrieveInformationModel", "MRImageStorage"),
    "composite": ("CompositeInstanceRootRetrieve", "EnhancedCTImageStorage"),
}


def uids(pair, keywords):
    """The UIDs that both libraries have under these keywords."""
    found = [getattr(pair.server.sop_class, keyword) for keyword in keywords]
    assert found == [getattr(pair.client.sop_class, keyword) for keyword in keywords]
    return found


@pytest.mark.parametrize("service", QUERIES)
def test_a_query_of_each_service(pair, service):
    asked = Told()

    def find(event):
        asked.put((event.context.abstract_syntax, plain(event.identifier)))
        yield 0xFF00, data_set(PatientID="P1")

    models = uids(pair, QUERIES[service])
    server = pair.serve(models, [("EVT_C_FIND", find)])
    assoc = pair.associate(server, models)
    for model in models:
        assert plain(send(assoc, "c_find", data_set(PatientID="*"), model)) == [
            ({"Status": 0xFF00}, {"PatientID": "P1"}),
            ({"Status": 0x0000}, None),
        ]
        assert asked.next() == (model, {"PatientID": "*"})
    finish(assoc)


@pytest.mark.parametrize("service", RETRIEVALS)
def test_a_retrieval_of_each_service(pair, service):
    model, storage = RETRIEVALS[service]
    get, move, kept = uids(pair, [f"{model}Get", f"{model}Move", storage])
    got = Told()
    destination = pair.serve([kept], [("EVT_C_STORE", keeper(got))], ae_title="DEST")

    def give(event):
        if event.event.name == "EVT_C_MOVE":
            contexts = [pair.server.build_context(kept)]
            yield "127.0.0.1", destination.server_address[1], {"contexts": contexts}
        yield 1
        yield 0xFF00, instance(1, SOPClassUID=kept)

    handlers = [("EVT_C_GET", give), ("EVT_C_MOVE", give)]
    server = pair.serve([get, move, (kept, None, False, True)], handlers)
    stores = [("EVT_C_STORE", keeper(got))]
    assoc = pair.associate(server, [get, move, kept], stores, ext_neg=[role(kept, scp=True)])
    asked = data_set(SOPInstanceUID="1.2.826.0.1.99.1")
    answers = [*send(assoc, "c_get", asked, get), *send(assoc, "c_move", asked, "DEST", move)]
    done = [(status.Status, status.NumberOfCompletedSuboperations) for status, _ in answers]
    assert done == [(0xFF00, 1), (0x0000, 1)] * 2
    # pynetdicom names itself as the one who asked for the C-MOVE
    originator = "CLIENT" if pair.is_gateway_server else "SERVER"
    assert got.take(2) == [(kept, None), (kept, originator)]
    finish(assoc)


def keeper(got):
    def store(event):
        originator = event.request.MoveOriginatorApplicationEntityTitle
        got.put((event.dataset.SOPClassUID, originator))
        return 0x0000

    return store


def test_a_storage_of_what_belongs_to_no_patient(pair):
    kept = uids(
        pair, ["HangingProtocolStorage", "ColorPaletteStorage", "ImplantTemplateGroupStorage"]
    )
    got = Told()
    server = pair.serve(kept, [("EVT_C_STORE", keeper(got))])
    assoc = pair.associate(server, kept)
    for sop_class in kept:
        assert send(assoc, "c_store", instance(1, SOPClassUID=sop_class)).Status == 0x0000
        assert got.next() == (sop_class, None)
    finish(assoc)


# normalized operations

GRAYSCALE, COLOR = "BasicGrayscalePrintManagementMeta", "BasicColorPrintManagementMeta"
PRINT = [
    ("n_create", "BasicFilmSession"),
    ("n_set", "BasicFilmSession"),
    ("n_create", "BasicFilmBox"),
    ("n_set", "BasicFilmBox"),
    ("n_action", "BasicFilmBox"),
    ("n_action", "BasicFilmSession"),
    ("n_delete", "BasicFilmBox"),
    ("n_delete", "BasicFilmSession"),
    ("n_get", "Printer"),
]
RT_MACHINE = ("n_create", "n_set", "n_get", "n_action", "n_delete")
OPERATIONS = {
    "application-event": [
        ("n_action", "ProceduralEventLogging", None),
        ("n_action", "SubstanceAdministrationLogging", None),
    ],
    "display-system": [("n_get", "DisplaySystem", None)],
    "instance-availability": [("n_create", "InstanceAvailabilityNotification", None)],
    "media-creation": [
        (what, "MediaCreationManagement", None) for what in ("n_create", "n_get", "n_action")
    ],
    "performed-procedure-step": [
        ("n_create", "ModalityPerformedProcedureStep", None),
        ("n_set", "ModalityPerformedProcedureStep", None),
        ("n_get", "ModalityPerformedProcedureStepRetrieve", None),
    ],
    "print-grayscale": [
        *((what, sop_class, GRAYSCALE) for what, sop_class in PRINT),
        ("n_set", "BasicGrayscaleImageBox", GRAYSCALE),
    ],
    "print-color": [
        *((what, sop_class, COLOR) for what, sop_class in PRINT),
        ("n_set", "BasicColorImageBox", COLOR),
    ],
    "print-options": [
        ("n_get", "PrintJob", None),
        ("n_set", "BasicAnnotationBox", None),
        ("n_get", "PrinterConfigurationRetrieval", None),
        ("n_create", "PresentationLUT", None),
        ("n_delete", "PresentationLUT", None),
    ],
    "rt-machine": [
        (what, sop_class, None)
        for sop_class in ("RTConventionalMachineVerification", "RTIonMachineVerification")
        for what in RT_MACHINE
    ],
    "storage-commitment": [("n_action", "StorageCommitmentPushModel", None)],
    "storage-management": [("n_action", "InventoryCreation", None)],
    "unified-procedure-step": [
        ("n_create", "UnifiedProcedureStepPush", None),
        ("n_action", "UnifiedProcedureStepPush", None),
        ("n_get", "UnifiedProcedureStepPush", None),
        ("n_set", "UnifiedProcedureStepPush", "UnifiedProcedureStepPull"),
        ("n_get", "UnifiedProcedureStepPush", "UnifiedProcedureStepPull"),
        ("n_action", "UnifiedProcedureStepPush", "UnifiedProcedureStepWatch"),
        ("n_get", "UnifiedProcedureStepPush", "UnifiedProcedureStepWatch"),
    ],
}
SENT, RETURNED = data_set(PatientID="P1"), data_set(PatientID="P2")
INSTANCE = "1.2.3.4"
TAGS = [0x00100020]
ARGUMENTS = {
    "n_create": lambda sop_class: (SENT, sop_class, INSTANCE),
    "n_set": lambda sop_class: (SENT, sop_class, INSTANCE),
    "n_get": lambda sop_class: (TAGS, sop_class, INSTANCE),
    "n_action": lambda sop_class: (SENT, 7, sop_class, INSTANCE),
    "n_delete": lambda sop_class: (sop_class, INSTANCE),
}
SEEN = {
    "n_create": lambda event: plain(event.attribute_list),
    "n_set": lambda event: plain(event.modification_list),
    "n_get": lambda event: event.attribute_identifiers,
    "n_action": lambda event: (event.action_type, plain(event.action_information)),
    "n_delete": lambda event: None,
}
EXPECTED = {
    "n_create": plain(SENT),
    "n_set": plain(SENT),
    "n_get": TAGS,
    "n_action": (7, plain(SENT)),
    "n_delete": None,
}


def normalized_handlers(told, status):
    """Handlers of all N-services that tell what they were asked, and return a status."""

    def answering(what):
        def handler(event):
            request = event.request
            sop_class = request.AffectedSOPClassUID or request.RequestedSOPClassUID
            uid = request.AffectedSOPInstanceUID or request.RequestedSOPInstanceUID
            told.put((what, sop_class, uid, event.context.abstract_syntax, SEEN[what](event)))
            return status if what == "n_delete" else (status, RETURNED)

        return handler

    return [(f"EVT_{what.upper()}", answering(what)) for what in ARGUMENTS]


def perform_all(pair, service, status):
    """Perform all operations of a service, whose handlers return a status."""
    operations = [
        (what, *uids(pair, [sop_class, meta or sop_class]))
        for what, sop_class, meta in OPERATIONS[service]
    ]
    contexts = list(dict.fromkeys(context for _, _, context in operations))
    told = Told()
    server = pair.serve(contexts, normalized_handlers(told, status))
    assoc = pair.associate(server, contexts)
    for what, sop_class, context in operations:
        meta = {} if context == sop_class else {"meta_uid": context}
        answer = send(assoc, what, *ARGUMENTS[what](sop_class), **meta)
        returned = None if status else plain(RETURNED)
        expected = {"Status": status} if what == "n_delete" else ({"Status": status}, returned)
        assert plain(answer) == expected, what
        assert told.next() == (what, sop_class, INSTANCE, context, EXPECTED[what])
    finish(assoc)


@pytest.mark.parametrize("service", OPERATIONS)
def test_every_operation_of_each_service(pair, service):
    perform_all(pair, service, 0x0000)


@pytest.mark.parametrize("service", ["performed-procedure-step", "rt-machine"])
def test_every_operation_that_fails(pair, service):
    perform_all(pair, service, 0x0110)


# reports

REPORTS = {
    "print": ("Printer", GRAYSCALE),
    "print-job": ("PrintJob", None),
    "performed-procedure-step": ("ModalityPerformedProcedureStepNotification", None),
    "rt-machine": ("RTConventionalMachineVerification", None),
    "storage-commitment": ("StorageCommitmentPushModel", None),
    "storage-management": ("InventoryCreation", None),
    "unified-procedure-step": ("UnifiedProcedureStepPush", "UnifiedProcedureStepEvent"),
}


@pytest.mark.parametrize("service", REPORTS)
def test_a_report_of_each_service_on_the_association_that_it_is_about(pair, service):
    keyword, meta = REPORTS[service]
    sop_class, context = uids(pair, [keyword, meta or keyword])
    told, opened = Told(), Told()

    def report(event):
        told.put((event.event_type, plain(event.event_information), event.context[1]))
        return 0x0000, None

    server = pair.serve(
        [(context, None, True, True)], [("EVT_ESTABLISHED", lambda event: opened.put(event.assoc))]
    )
    handlers = [("EVT_N_EVENT_REPORT", report)]
    assoc = pair.associate(server, [context], handlers, ext_neg=[role(context, scu=True, scp=True)])
    theirs = opened.next()
    hold(theirs)
    options = {"meta_uid": context} if meta else {}
    status, reply = theirs.send_n_event_report(SENT, 3, sop_class, INSTANCE, **options)
    assert (status.Status, plain(reply)) == (0x0000, {})
    assert told.next() == (3, plain(SENT), context)
    finish(assoc)


def test_a_report_that_fails_says_so(pair):
    context = uids(pair, ["ModalityPerformedProcedureStepNotification"])[0]
    server = pair.serve([context], [("EVT_N_EVENT_REPORT", lambda event: (0x0113, None))])
    assoc = pair.associate(server, [context])
    status, reply = send(assoc, "n_event_report", SENT, 9, context, INSTANCE)
    assert (status.Status, reply) == (0x0113, None)
    finish(assoc)

from __future__ import annotations

import pynetdicom
import pynetdicom.pdu_primitives
import pynetdicom.presentation as theirs
import pynetdicom.sop_class as their_sop_class
import pytest
from pydicom.uid import UID
from pynetdicom import ALL_TRANSFER_SYNTAXES as THEIR_TRANSFER_SYNTAXES

import gateway
from gateway import presentation, service_class, sop_class
from gateway.presentation import PresentationContext, build_context, build_role
from gateway.uid import KEYWORDS, UIDS

LISTS = [name for name in dir(theirs) if name.endswith("PresentationContexts")]


@pytest.mark.parametrize("name", LISTS)
def test_each_list_has_what_pynetdicom_users_expect(name):
    ours = {context.abstract_syntax for context in getattr(presentation, name)}
    assert ours >= {context.abstract_syntax for context in getattr(theirs, name)}


@pytest.mark.parametrize("name", sorted({*LISTS} - {"AllStoragePresentationContexts"}))
def test_each_list_fits_into_an_association(name):
    assert 0 < len(getattr(presentation, name)) <= 128


def test_the_storage_selection_is_the_same():
    ours = {context.abstract_syntax for context in presentation.StoragePresentationContexts}
    assert ours == {context.abstract_syntax for context in theirs.StoragePresentationContexts}


def test_lists_are_sorted_made_once_and_have_default_transfer_syntaxes():
    contexts = presentation.QueryRetrievePresentationContexts
    assert contexts is presentation.QueryRetrievePresentationContexts
    uids = [context.abstract_syntax for context in contexts]
    assert uids == sorted(uids)
    assert all(c.transfer_syntax == presentation.DEFAULT_TRANSFER_SYNTAXES for c in contexts)
    with pytest.raises(AttributeError, match="NoSuchPresentationContexts"):
        _ = presentation.NoSuchPresentationContexts
    assert "VerificationPresentationContexts" in dir(presentation)


def test_transfer_syntaxes():
    streams = {u for u in THEIR_TRANSFER_SYNTAXES if UIDS[u].keyword.startswith("SMPTE")}
    assert set(presentation.ALL_TRANSFER_SYNTAXES) >= set(THEIR_TRANSFER_SYNTAXES) - streams


def test_build_context():
    context = build_context("1.2.840.10008.1.1")
    assert context.abstract_syntax == sop_class.Verification
    assert context.transfer_syntax == [
        *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"),
        *("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"),
    ]
    assert build_context("1.2.3", "1.2.840.10008.1.2").transfer_syntax == ["1.2.840.10008.1.2"]
    assert build_context("1.2.3", ["1.2", "1.3", "1.2"]).transfer_syntax == ["1.2", "1.3"]


def test_str_reads_as_pynetdicom_does():
    for ours, other in (
        (build_context("1.2.840.10008.1.1"), theirs.build_context("1.2.840.10008.1.1")),
        (PresentationContext(), theirs.PresentationContext()),
    ):
        for context in (ours, other):
            context.context_id, context.result = 3, 4
        if other.abstract_syntax:
            assert str(ours) == str(other)
        assert ours.status == other.status == "Transfer Syntax(es) Not Supported"


@pytest.mark.parametrize(
    ("scu", "scp", "text"),
    [(True, False, "SCU only"), (False, True, "SCP only"), (True, True, "SCU and SCP")],
)
def test_str_tells_the_roles(scu, scp, text):
    context = build_context("1.2.3")
    context._as_scu, context._as_scp = scu, scp
    assert str(context).endswith(f"Role: {text}")


def test_an_accepted_context_is_a_tuple():
    context = build_context("1.2.840.10008.1.1", "1.2.840.10008.1.2")
    with pytest.raises(ValueError, match="not negotiated"):
        _ = context.as_tuple
    context.context_id = 5
    assert context.as_tuple == (5, "1.2.840.10008.1.1", "1.2.840.10008.1.2")
    assert context.as_tuple.transfer_syntax.name == "Implicit VR Little Endian"


@pytest.mark.parametrize("context_id", [0, 2, 256, 257, -1])
def test_context_ids_are_odd_numbers_from_1_to_255(context_id):
    with pytest.raises(ValueError, match="odd integer"):
        PresentationContext().context_id = context_id


def test_wrong_uids_and_lists_are_refused():
    context = PresentationContext()
    with pytest.raises(ValueError, match="64 characters"):
        context.abstract_syntax = "1" * 65
    context.add_transfer_syntax(5)
    assert context.transfer_syntax == []
    with pytest.raises(TypeError, match="list"):
        context.transfer_syntax = "1.2.840.10008.1.2"
    context.abstract_syntax = b"1.2.3"
    assert context.abstract_syntax == "1.2.3"
    with pytest.raises(TypeError, match="str"):
        context.abstract_syntax = None
    assert repr(PresentationContext()) == "no abstract syntax"


def test_equality_and_hash():
    a, b = build_context("1.2.3"), build_context("1.2.3")
    assert a == b
    assert len({a, b}) == 1
    b.scp_role = True
    assert a != b
    assert a != "1.2.3"


def test_build_role():
    role = build_role(sop_class.CTImageStorage, scp_role=True)
    assert (role.sop_class_uid, role.scu_role, role.scp_role) == (
        KEYWORDS["CTImageStorage"],
        False,
        True,
    )


def test_every_name_of_pynetdicoms_sop_classes_is_here():
    for name in dir(their_sop_class):
        value = getattr(their_sop_class, name)
        if isinstance(value, str) and not name.startswith("_") and value in UIDS:
            assert getattr(sop_class, name) == value


def test_every_sop_class_has_the_service_class_that_pynetdicom_gives_it():
    for name in dir(their_sop_class):
        theirs = getattr(their_sop_class, name)
        if isinstance(theirs, their_sop_class.SOPClass):
            ours = getattr(sop_class, name).service_class
            if name != "MediaStorageDirectoryStorage":  # storage, if one proposes it
                assert ours.__name__ == theirs.service_class.__name__, name


def test_sop_classes_know_the_registry():
    ct = sop_class.CTImageStorage
    assert (ct.name, ct.keyword) == ("CT Image Storage", "CTImageStorage")
    assert ct.is_valid
    assert (ct.is_retired, ct.is_private) == (False, False)
    assert ct.service_class is service_class.StorageServiceClass
    find = sop_class.HangingProtocolInformationModelFind.service_class
    assert find is service_class.HangingProtocolQueryRetrieveServiceClass
    assert sop_class.UltrasoundImageStorageRetired.is_retired
    private = sop_class.uid_to_sop_class("1.2.3")
    assert (private.name, private.keyword, private.is_private) == ("1.2.3", "", True)
    assert private.service_class is service_class.ServiceClass
    verification = sop_class.uid_to_service_class(sop_class.Verification)
    assert verification is service_class.VerificationServiceClass
    assert sop_class.PrinterInstance == "1.2.840.10008.5.1.1.17"
    with pytest.raises(AttributeError, match="NoSuchStorage"):
        _ = sop_class.NoSuchStorage
    assert "MRImageStorage" in dir(sop_class)


UIDS_GIVEN = ("1.2.3", b"1.2.3", None, 5, "1" * 65)
ASSIGNED = {
    "SCP_SCU_RoleSelectionNegotiation": {
        "sop_class_uid": UIDS_GIVEN,
        "scu_role": (True, None, 1, "x"),
        "scp_role": (False, None, 0),
    },
    "SOPClassExtendedNegotiation": {
        "sop_class_uid": UIDS_GIVEN,
        "service_class_application_information": (b"x", "x", None, 5),
    },
    "SOPClassCommonExtendedNegotiation": {
        "sop_class_uid": UIDS_GIVEN,
        "service_class_uid": UIDS_GIVEN,
        "related_general_sop_class_identification": ([], ["1.2"], "1.2", [5], None, ("1.2",)),
    },
    "AsynchronousOperationsWindowNegotiation": {
        "maximum_number_operations_invoked": (1, 0, -1, "x", None),
        "maximum_number_operations_performed": (1, -1, "x"),
    },
    "UserIdentityNegotiation": {
        "user_identity_type": (1, 5, 6, 0, "x", None),
        "positive_response_requested": (True, None, 1, "x"),
        "primary_field": (b"x", "x", None, 5),
        "secondary_field": (b"x", "x", None, 5),
        "server_response": (b"x", "x", None, 5),
    },
    "MaximumLengthNotification": {"maximum_length_received": (0, 5, -1, "x", None)},
    "PresentationContext": {
        "scu_role": (None, True, 1, "x"),
        "scp_role": (None, True, 1, "x"),
        "context_id": (1, 2, 257, None, "x"),
        "abstract_syntax": ("1.2.3", b"1.2.3", 5, None, "1" * 65),
        "transfer_syntax": (["1.2"], "1.2", None, ["1" * 65]),
    },
}
CASES = [(kind, name, v) for kind, of in ASSIGNED.items() for name, vs in of.items() for v in vs]


def assigned(lib, kind, name, value):
    module = lib.presentation if kind == "PresentationContext" else lib.pdu_primitives
    made = getattr(module, kind)()
    try:
        setattr(made, name, value)
    except (TypeError, ValueError) as error:
        return type(error)
    return getattr(made, name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_what_is_assigned_is_checked_as_by_pynetdicom(kind, name, value):
    assert assigned(gateway, kind, name, value) == assigned(pynetdicom, kind, name, value)


def test_transfer_syntaxes_know_themselves():
    for context in (build_context("1.2.3"), presentation.VerificationPresentationContexts[0]):
        first = context.transfer_syntax[0]
        assert isinstance(first, UID)
        assert (first.is_implicit_VR, first.is_little_endian, first.is_deflated) == (
            True,
            True,
            False,
        )
    with pytest.raises(TypeError, match="SCU Role"):
        build_role("1.2.3", scu_role=1)


def test_the_usual_items_may_stand_in_ext_neg(facade):
    server = facade.serve()
    items = gateway.pdu_primitives
    assoc = facade.associate(
        server,
        ext_neg=[
            items.MaximumLengthNotification(20_000),
            items.ImplementationClassUIDNotification("1.2.3"),
            items.ImplementationVersionNameNotification("MINE"),
        ],
    )
    (theirs,) = server.active_associations
    said = theirs.requestor
    assert said.maximum_length == 20_000
    assert said.implementation_class_uid == "1.2.3"
    assert said.implementation_version_name == "MINE"
    assoc.release()

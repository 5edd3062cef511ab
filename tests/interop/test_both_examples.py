"""What else pynetdicom's documentation shows, as programs of our own under both libraries."""

from __future__ import annotations

import importlib
import itertools

import pytest
from pydicom.uid import UID

from tests.interop.both import CT, ECHO, MR, Told, finish, instance, role, send

PRIVATE = "1.2.826.0.1.99.2.1"
_numbers = itertools.count(1)


def register(lib, uid, keyword, service) -> None:
    services = importlib.import_module(f"{lib.__name__}.service_class")
    lib.register_uid(uid, keyword, getattr(services, service))


@pytest.fixture
def private(pair):
    """A private SOP class for each test, known to both libraries."""
    number = next(_numbers)
    uid, keyword = f"{PRIVATE}.{number}", f"PrivateStorage{number}"
    for lib in {pair.server, pair.client}:
        register(lib, uid, keyword, "StorageServiceClass")
    return uid


def test_a_private_storage_class(pair, private) -> None:
    told = Told()
    server = pair.serve([private], [("EVT_C_STORE", lambda event: told.put(event) or 0x0000)])
    assoc = pair.associate(server, [private])
    mine = instance(1)
    mine.SOPClassUID = UID(private)
    assert send(assoc, "c_store", mine).Status == 0x0000
    event = told.next()
    assert str(event.request.AffectedSOPClassUID) == private
    assert str(event.context.abstract_syntax) == private
    assert event.dataset.PatientID == "P1"
    finish(assoc)


def test_a_private_class_that_is_not_supported(pair, private) -> None:
    server = pair.serve([ECHO])
    assoc = pair.associate(server, [ECHO, private])
    assert [str(c.abstract_syntax) for c in assoc.accepted_contexts] == [ECHO]
    assert [str(c.abstract_syntax) for c in assoc.rejected_contexts] == [private]
    finish(assoc)


def test_accepting_with_every_option(pair) -> None:
    """Titles, sizes, timeouts, roles and the negotiation items of an association."""
    told = Told()

    def identity(event):
        told.put(("user", event.user_id_type, event.primary_field, event.secondary_field))
        return True, None

    def extended(event):
        told.put(("extended", {str(uid): info for uid, info in event.app_info.items()}))
        return event.app_info

    server = pair.serve(
        [ECHO, (CT, ["1.2.840.10008.1.2.1"], True, True), (MR, None, False, True)],
        [("EVT_USER_ID", identity), ("EVT_SOP_EXTENDED", extended)],
        ae_title="ARCHIVE",
        require_called_aet=True,
        require_calling_aet=["SCANNER"],
        maximum_associations=3,
        maximum_pdu_size=32768,
        acse_timeout=20,
        dimse_timeout=21,
        network_timeout=22,
    )

    def user(lib):
        item = lib.pdu_primitives.UserIdentityNegotiation()
        item.user_identity_type = 2
        item.primary_field, item.secondary_field = b"somebody", b"secret"
        return item

    def application(lib):
        item = lib.pdu_primitives.SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = CT, b"\1\0"
        return item

    options = {"ext_neg": [user, application, role(CT, scp=True, scu=True)]}
    assoc = pair.associate(server, [ECHO, CT, MR], calling="SCANNER", called="ARCHIVE", **options)
    assert told.next() == ("user", 2, b"somebody", b"secret")
    assert told.next() == ("extended", {CT: b"\1\0"})
    accepted = {str(c.abstract_syntax): c for c in assoc.accepted_contexts}
    assert (accepted[CT].as_scu, accepted[CT].as_scp) == (True, True)
    assert str(accepted[CT].transfer_syntax[0]) == "1.2.840.10008.1.2.1"
    assert (accepted[MR].as_scu, accepted[MR].as_scp) == (True, False)
    assert assoc.acceptor.maximum_length == 32768
    theirs = server.active_associations[0]
    assert theirs.requestor.ae_title == "SCANNER"
    assert (theirs.acse_timeout, theirs.dimse_timeout, theirs.network_timeout) == (20, 21, 22)
    finish(assoc)
    refused = pair.associate(server, [ECHO], must=False, calling="STRANGER", called="ARCHIVE")
    assert refused.is_rejected
    wrong = pair.associate(server, [ECHO], must=False, calling="SCANNER", called="OTHER")
    assert wrong.is_rejected


def test_as_many_associations_as_are_allowed(pair) -> None:
    server = pair.serve([ECHO], maximum_associations=2)
    first, second = (pair.associate(server, [ECHO]) for _ in range(2))
    third = pair.associate(server, [ECHO], must=False)
    assert third.is_rejected
    finish(first)
    finish(second)

"""The same bytes as pynetdicom's PDU classes, both ways."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pynetdicom import pdu as theirs

from gateway.ul.items import (
    AsyncOperationsWindow,
    RoleSelection,
    SopClassCommonExtended,
    SopClassExtended,
    UserIdentityAC,
    UserIdentityRQ,
)
from gateway.ul.pdu import (
    PDV,
    AAbort,
    AAssociateRJ,
    AReleaseRP,
    AReleaseRQ,
    PDataTF,
    decode_pdu,
)
from tests.ul import support as s

EVERY_SUB_ITEM = replace(
    s.REQUEST.user_information,
    async_ops=AsyncOperationsWindow(5, 1),
    roles=(RoleSelection(s.CT, True, True), RoleSelection(s.VERIFICATION, False, True)),
    sop_class_extended=(SopClassExtended(s.CT, b"\2\0\3\0\1\0"),),
    sop_class_common_extended=(
        SopClassCommonExtended(s.CT, "1.2.840.10008.4.2", (s.VERIFICATION, "1.2.3")),
        SopClassCommonExtended(s.VERIFICATION, "1.2.840.10008.4.2"),
    ),
    user_identity=UserIdentityRQ(2, True, b"user", b"passcode"),
)
REQUEST = replace(s.REQUEST, user_information=EVERY_SUB_ITEM)
ACCEPTANCE = replace(
    s.ACCEPTANCE,
    user_information=replace(
        EVERY_SUB_ITEM, user_identity=UserIdentityAC(b"ticket"), sop_class_common_extended=()
    ),
)
PAIRS = [
    (theirs.A_ASSOCIATE_RQ, REQUEST),
    (theirs.A_ASSOCIATE_RQ, s.REQUEST),
    (theirs.A_ASSOCIATE_AC, ACCEPTANCE),
    (theirs.A_ASSOCIATE_AC, s.ACCEPTANCE),
    (theirs.A_ASSOCIATE_RJ, AAssociateRJ(1, 1, 7)),
    (theirs.A_ASSOCIATE_RJ, AAssociateRJ(2, 3, 2)),
    (theirs.P_DATA_TF, PDataTF((PDV(1, True, True, b"command "), PDV(3, False, False, b"ab")))),
    (theirs.A_RELEASE_RQ, AReleaseRQ()),
    (theirs.A_RELEASE_RP, AReleaseRP()),
    (theirs.A_ABORT_RQ, AAbort(2, 6)),
]


@pytest.mark.parametrize(("their_type", "ours"), PAIRS)
def test_they_read_and_write_what_we_write(their_type, ours):
    pdu = their_type()
    pdu.decode(ours.encode())
    assert pdu.encode() == ours.encode()


@pytest.mark.parametrize(("their_type", "ours"), PAIRS)
def test_we_read_what_they_write(their_type, ours):
    pdu = their_type()
    pdu.decode(ours.encode())
    assert decode_pdu(pdu.encode()) == ours


def test_they_understand_our_request():
    pdu = theirs.A_ASSOCIATE_RQ()
    pdu.decode(REQUEST.encode())
    primitive = pdu.to_primitive()
    assert (primitive.called_ae_title, primitive.calling_ae_title) == ("SERVER", "CLIENT")
    assert primitive.application_context_name == s.DICOM
    assert [
        (c.context_id, c.abstract_syntax, c.transfer_syntax)
        for c in primitive.presentation_context_definition_list
    ] == [(1, s.VERIFICATION, [s.IMPLICIT]), (3, s.CT, [s.EXPLICIT, s.IMPLICIT])]
    by_type = {type(item).__name__: item for item in primitive.user_information}
    assert primitive.maximum_length_received == s.MAX_PDU
    assert by_type["AsynchronousOperationsWindowNegotiation"].maximum_number_operations_invoked == 5
    assert by_type["SCP_SCU_RoleSelectionNegotiation"].scp_role is True
    extended = by_type["SOPClassExtendedNegotiation"]
    assert extended.service_class_application_information == b"\2\0\3\0\1\0"
    identity = by_type["UserIdentityNegotiation"]
    assert (identity.primary_field, identity.secondary_field) == (b"user", b"passcode")
    assert identity.positive_response_requested is True

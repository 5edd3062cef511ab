"""Negotiation, with TLS and without, under both libraries, each with each."""

from __future__ import annotations

import ssl

import pytest
import trustme

from tests.handlers import returning
from tests.interop.both import (
    CT,
    ECHO,
    FIND,
    MR,
    UNCOMPRESSED,
    Told,
    boom,
    finish,
    instance,
    item,
    role,
    send,
)

# negotiation


def test_contexts(pair):
    implicit, explicit = UNCOMPRESSED["implicit"], UNCOMPRESSED["explicit"]
    server = pair.serve([ECHO, (CT, [explicit, implicit])])
    assoc = pair.associate(server, [ECHO, (CT, [implicit, explicit]), MR, (CT, "1.2.3.4")])
    assert [
        (c.context_id, str(c.abstract_syntax), [str(t) for t in c.transfer_syntax], c.result)
        for c in assoc.accepted_contexts
    ] == [(1, ECHO, [implicit], 0), (3, CT, [explicit], 0)]
    assert [(c.context_id, c.abstract_syntax, c.result) for c in assoc.rejected_contexts] == [
        (5, MR, 3),
        (7, CT, 4),
    ]
    assert assoc.acceptor.maximum_length == 16382
    finish(assoc)


def test_no_context_accepted(pair):
    assoc = pair.associate(pair.serve([ECHO]), [CT], must=False)
    assert (assoc.is_established, assoc.is_aborted, assoc.is_rejected) == (False, True, False)


@pytest.mark.parametrize(
    ("rule", "value"), [("require_called_aet", True), ("require_calling_aet", ["FRIEND"])]
)
def test_required_titles(pair, rule, value):
    server = pair.serve([ECHO], **{rule: value})
    turned_away = pair.associate(server, [ECHO], called="OTHER", must=False)
    assert (turned_away.is_established, turned_away.is_rejected) == (False, True)
    assoc = pair.associate(server, [ECHO], calling="FRIEND")
    assert send(assoc, "c_echo").Status == 0
    finish(assoc)


def test_maximum_associations(pair):
    server = pair.serve([ECHO], maximum_associations=1)
    first = pair.associate(server, [ECHO])
    assert pair.associate(server, [ECHO], must=False).is_rejected
    finish(first)


ROLES = {
    "default": ((None, None), (False, True), (True, False)),
    "scp": ((False, True), (False, True), (False, True)),
    "both": ((True, True), (True, True), (True, True)),
    "less": ((True, False), (True, True), (True, False)),
}


@pytest.mark.parametrize("case", ROLES)
def test_roles(pair, case):
    supported, (scu, scp), expected = ROLES[case]
    server = pair.serve([(CT, None, *supported), ECHO])
    assoc = pair.associate(server, [CT, ECHO], ext_neg=[role(CT, scu=scu, scp=scp)])
    context = assoc.accepted_contexts[0]
    assert (context.as_scu, context.as_scp) == expected
    finish(assoc)


IDENTITIES = {
    "name": (1, b"user", b"", True),
    "passcode": (2, b"user", b"pass", True),
    "kerberos": (3, b"ticket", b"", True),
    "refused": (2, b"user", b"wrong", False),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_user_identity(pair, case):
    kind, primary, secondary, verified = IDENTITIES[case]
    told = Told()

    def check(event):
        told.put((event.user_id_type, event.primary_field, event.secondary_field or b""))
        return verified, b"welcome"

    identity = {"user_identity_type": kind, "primary_field": primary}
    if secondary:
        identity["secondary_field"] = secondary
    asked = item("UserIdentityNegotiation", positive_response_requested=True, **identity)
    server = pair.serve([ECHO], [("EVT_USER_ID", check)])
    assoc = pair.associate(server, [ECHO], ext_neg=[asked], must=False)
    assert told.next() == (kind, primary, secondary)
    assert (assoc.is_established, assoc.is_rejected) == (verified, not verified)
    if verified:
        reply = assoc.acceptor.user_identity
        if pair.is_gateway_server or kind > 2:
            assert reply.server_response == b"welcome"
        else:
            assert reply is None  # pynetdicom answers tickets and tokens only
        finish(assoc)


def test_user_identity_that_nobody_checks(pair):
    asked = item("UserIdentityNegotiation", user_identity_type=1, primary_field=b"user")
    assoc = pair.associate(pair.serve([ECHO]), [ECHO], ext_neg=[asked])
    assert assoc.acceptor.user_identity is None
    finish(assoc)


def test_extended_negotiation(pair):
    told = Told()

    def extend(event):
        told.put({str(k): v for k, v in event.app_info.items()})
        return {FIND: b"\x01\x00"}

    asked = item(
        "SOPClassExtendedNegotiation",
        sop_class_uid=FIND,
        service_class_application_information=b"\x01\x01",
    )
    server = pair.serve([FIND], [("EVT_SOP_EXTENDED", extend)])
    assoc = pair.associate(server, [FIND], ext_neg=[asked])
    assert told.next() == {FIND: b"\x01\x01"}
    assert assoc.acceptor.sop_class_extended == {FIND: b"\x01\x00"}
    finish(assoc)


def test_common_extended_negotiation(pair):
    told = Told()

    def common(event):
        told.put({str(k): str(v.service_class_uid) for k, v in event.items.items()})
        return event.items

    asked = item(
        "SOPClassCommonExtendedNegotiation",
        sop_class_uid=CT,
        service_class_uid="1.2.840.10008.4.2",
    )
    server = pair.serve([CT], [("EVT_SOP_COMMON", common)])
    assoc = pair.associate(server, [CT], ext_neg=[asked])
    assert told.next() == {CT: "1.2.840.10008.4.2"}
    finish(assoc)


def test_asynchronous_operations(pair):
    told = Told()

    def answer(event):
        told.put((event.nr_invoked, event.nr_performed))
        return 3, 1

    asked = item(
        "AsynchronousOperationsWindowNegotiation",
        maximum_number_operations_invoked=5,
        maximum_number_operations_performed=1,
    )
    server = pair.serve([ECHO], [("EVT_ASYNC_OPS", answer)])
    assoc = pair.associate(server, [ECHO], ext_neg=[asked])
    assert told.next() == (5, 1)
    # pynetdicom performs one operation at a time, whatever its handler says.
    window = (3, 1) if pair.is_gateway_server else (1, 1)
    assert assoc.acceptor.asynchronous_operations == window
    finish(assoc)


@pytest.mark.parametrize(
    ("event", "survives"),
    [("EVT_USER_ID", False), ("EVT_SOP_EXTENDED", True), ("EVT_SOP_COMMON", True)],
)
def test_negotiation_handlers_that_raise(pair, event, survives):
    items = [
        item("UserIdentityNegotiation", user_identity_type=1, primary_field=b"user"),
        item(
            "SOPClassExtendedNegotiation",
            sop_class_uid=ECHO,
            service_class_application_information=b"\x01",
        ),
        item(
            "SOPClassCommonExtendedNegotiation",
            sop_class_uid=CT,
            service_class_uid="1.2.840.10008.4.2",
        ),
    ]
    server = pair.serve([ECHO], [(event, boom)])
    assoc = pair.associate(server, [ECHO], ext_neg=items, must=False)
    assert (assoc.is_established, assoc.is_rejected) == (survives, not survives)


def test_what_each_says_of_itself(pair):
    told = Told()

    def established(event):
        requestor = event.assoc.requestor
        told.put(
            (
                str(requestor.implementation_class_uid),
                requestor.implementation_version_name,
                requestor.maximum_length,
                requestor.ae_title,
                requestor.address,
                requestor.is_requestor,
                {
                    str(uid): (role.scu_role, role.scp_role)
                    for uid, role in requestor.role_selection.items()
                },
            )
        )

    server = pair.serve(
        [(CT, None, True, True)],
        [("EVT_ESTABLISHED", established)],
        implementation_class_uid="1.2.826.0.1.1",
        implementation_version_name="SERVER_1",
        maximum_pdu_size=32768,
    )
    ae = pair.client.AE("CLIENT")
    ae.implementation_class_uid = "1.2.826.0.1.2"
    ae.implementation_version_name = "CLIENT_1"
    ae.add_requested_context(CT)
    roles = [pair.client.build_role(CT, scu_role=True, scp_role=True)]
    port = server.server_address[1]
    assoc = ae.associate("127.0.0.1", port, ext_neg=roles, max_pdu=65536)
    theirs = assoc.acceptor
    assert str(theirs.implementation_class_uid) == "1.2.826.0.1.1"
    assert (theirs.implementation_version_name, theirs.maximum_length) == ("SERVER_1", 32768)
    assert [(r.scu_role, r.scp_role) for r in theirs.role_selection.values()] == [(True, True)]
    assert told.next() == (
        *("1.2.826.0.1.2", "CLIENT_1", 65536, "CLIENT", "127.0.0.1", True),
        {CT: (True, True)},
    )
    finish(assoc)


def test_no_limit_to_pdus(pair):
    server = pair.serve([CT], [("EVT_C_STORE", returning(0x0000))], maximum_pdu_size=0)
    assoc = pair.associate(server, [CT], max_pdu=0)
    assert send(assoc, "c_store", instance(PixelData=bytes(1_500_000))).Status == 0x0000
    finish(assoc)


# TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue_cert("127.0.0.1")


def test_tls(pair, authority, certificate):
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    told = Told()

    def store(event):
        told.put(str(event.dataset.PatientID))
        return 0x0000

    server = pair.serve([CT], [("EVT_C_STORE", store)], tls=theirs)
    assoc = pair.associate(server, [CT], tls_args=(ours, "127.0.0.1"))
    large = instance(PixelData=bytes(300_000))
    assert send(assoc, "c_store", large).Status == 0x0000
    assert told.next() == "P1"
    finish(assoc)
    server.ae.require_called_aet = True
    other = {"called": "OTHER", "must": False}
    assert pair.associate(server, [CT], tls_args=(ours, "127.0.0.1"), **other).is_rejected


def test_tls_with_a_stranger(pair, certificate):
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(theirs)
    server = pair.serve([ECHO], tls=theirs)
    ours = ssl.create_default_context()
    assoc = pair.associate(server, [ECHO], tls_args=(ours, "127.0.0.1"), must=False)
    assert (assoc.is_established, assoc.is_aborted) == (False, True)

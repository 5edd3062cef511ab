"""Negotiation, events, ends and mistakes under both libraries, each with each."""

from __future__ import annotations

import ssl

import pytest
import trustme

from tests.interop.both import (
    CT,
    ECHO,
    FIND,
    MPPS,
    MR,
    UNCOMPRESSED,
    WAIT,
    Told,
    data_set,
    finish,
    instance,
    item,
    returning,
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


# events and ends

LIFE = (
    "EVT_CONN_OPEN",
    "EVT_REQUESTED",
    "EVT_ACCEPTED",
    "EVT_ESTABLISHED",
    "EVT_RELEASED",
    "EVT_CONN_CLOSE",
)


def watching(told, *names):
    def watch(event):
        told.put(event.event.name)

    return [(name, watch) for name in names]


def test_life_as_the_server_sees_it(pair):
    told = Told()
    server = pair.serve([ECHO], watching(told, *LIFE, "EVT_ABORTED", "EVT_REJECTED"))
    finish(pair.associate(server, [ECHO]))
    assert told.take(6) == list(LIFE)


def test_life_as_the_client_sees_it(pair):
    told = Told()
    server = pair.serve([ECHO])
    names = ("EVT_REQUESTED", "EVT_ACCEPTED", "EVT_ESTABLISHED", "EVT_RELEASED")
    finish(pair.associate(server, [ECHO], watching(told, *names, "EVT_ABORTED", "EVT_REJECTED")))
    assert told.take(4) == list(names)


def test_messages_as_both_see_them(pair):
    def watch(told):
        def watcher(event):
            told.put((event.event.name, type(event.message).__name__ and event.assoc is not None))

        return [(name, watcher) for name in ("EVT_DIMSE_RECV", "EVT_DIMSE_SENT")]

    here, there = Told(), Told()
    server = pair.serve([ECHO], watch(there))
    assoc = pair.associate(server, [ECHO], watch(here))
    assert send(assoc, "c_echo").Status == 0
    assert [name for name, _ in here.take(2)] == ["EVT_DIMSE_SENT", "EVT_DIMSE_RECV"]
    assert [name for name, _ in there.take(2)] == ["EVT_DIMSE_RECV", "EVT_DIMSE_SENT"]
    finish(assoc)


def test_pdus_as_both_see_them(pair):
    def watch(told, *names):
        def watcher(event):
            told.put(event.event.name)

        return [(name, watcher) for name in names]

    here, there = Told(), Told()
    server = pair.serve([ECHO], watch(there, "EVT_PDU_RECV"))
    finish(pair.associate(server, [ECHO], watch(here, "EVT_PDU_SENT")))
    assert here.take(2) == ["EVT_PDU_SENT"] * 2  # A-ASSOCIATE-RQ and A-RELEASE-RQ
    assert there.take(2) == ["EVT_PDU_RECV"] * 2


def test_client_aborts(pair):
    told = Told()
    server = pair.serve([ECHO], watching(told, "EVT_ABORTED", "EVT_RELEASED"))
    assoc = pair.associate(server, [ECHO])
    assoc.abort()
    assert (assoc.is_aborted, assoc.is_established, assoc.is_released) == (True, False, False)
    assert told.next() == "EVT_ABORTED"


def test_server_aborts(pair):
    told, ours = Told(), Told()
    server = pair.serve([ECHO], [("EVT_ESTABLISHED", lambda event: told.put(event.assoc))])
    assoc = pair.associate(server, [ECHO], watching(ours, "EVT_ABORTED"))
    theirs = told.next()
    theirs.abort()
    assert ours.next() == "EVT_ABORTED"
    assert theirs.is_aborted
    assoc.join(WAIT)
    assert (assoc.is_aborted, assoc.is_established) == (True, False)


def test_bind_and_unbind_while_it_runs(pair):
    server = pair.serve([CT], [("EVT_C_STORE", returning(0xB000))])
    event = pair.server.evt.EVT_C_STORE
    first = pair.associate(server, [CT])
    assert send(first, "c_store", instance()).Status == 0xB000
    finish(first)
    other = returning(0xB006)
    server.bind(event, other)
    assert server.get_handlers(event) == (other, None)
    second = pair.associate(server, [CT])
    assert send(second, "c_store", instance()).Status == 0xB006
    finish(second)
    server.unbind(event, other)
    third = pair.associate(server, [CT])
    assert send(third, "c_store", instance()).Status in (0xA700, 0xC211)
    finish(third)


# a caller's mistakes


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pynetdicom's
def test_nothing_listens(pair):
    server = pair.serve([ECHO])
    port = server.server_address[1]
    server.shutdown()
    ae = pair.client.AE()
    ae.add_requested_context(ECHO)
    assoc = ae.associate("127.0.0.1", port)
    assert (assoc.is_established, assoc.is_aborted, assoc.is_rejected) == (False, True, False)


def test_send_after_the_end(pair):
    assoc = pair.associate(pair.serve([ECHO]), [ECHO])
    finish(assoc)
    with pytest.raises(RuntimeError, match="must be established"):
        assoc.send_c_echo()
    with pytest.raises(RuntimeError):
        assoc.send_c_find(data_set(), FIND)
    with pytest.raises(RuntimeError):
        assoc.send_n_get([], MPPS, "1.2.3")


def test_send_on_a_context_that_is_not_accepted(pair):
    assoc = pair.associate(pair.serve([ECHO]), [ECHO])
    with pytest.raises(ValueError, match="No presentation context"):
        assoc.send_c_store(instance())
    with pytest.raises(ValueError, match="No presentation context"):
        assoc.send_c_find(data_set(), FIND)
    with pytest.raises(ValueError, match="No presentation context"):
        assoc.send_n_delete(MPPS, "1.2.3")
    assert send(assoc, "c_echo").Status == 0
    finish(assoc)


def test_store_what_is_no_instance(pair):
    assoc = pair.associate(pair.serve([CT]), [CT])
    with pytest.raises(AttributeError, match="SOPClassUID"):
        assoc.send_c_store(data_set(PatientID="1"))
    bare = instance()
    del bare.file_meta
    with pytest.raises(AttributeError, match="Transfer Syntax"):
        assoc.send_c_store(bare)
    with pytest.raises(FileNotFoundError):
        assoc.send_c_store("/no/such/file.dcm")
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


def test_tls_with_a_stranger(pair, certificate):
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(theirs)
    server = pair.serve([ECHO], tls=theirs)
    ours = ssl.create_default_context()
    assoc = pair.associate(server, [ECHO], tls_args=(ours, "127.0.0.1"), must=False)
    assert (assoc.is_established, assoc.is_aborted) == (False, True)

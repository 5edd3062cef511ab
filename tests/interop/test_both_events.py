"""Events, ends and callers' mistakes under both libraries, each with each."""

from __future__ import annotations

import pytest

from tests.data_sets import data_set
from tests.handlers import returning
from tests.interop.both import CT, ECHO, FIND, MPPS, WAIT, Told, finish, instance, send

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


def test_primitives_of_the_association(pair):
    """What the handlers of EVT_ACSE_* read, in both roles."""
    told = {name: Told() for name in ("server", "client")}

    def note(event, who):
        primitive = event.primitive
        kind = type(primitive)
        own = pair.server if who == "server" else pair.client
        if kind is own.pdu_primitives.A_ASSOCIATE:
            definitions = primitive.presentation_context_definition_list
            results = primitive.presentation_context_definition_results_list
            told[who].put(
                (
                    primitive.result,
                    primitive.calling_ae_title,
                    primitive.called_ae_title,
                    str(primitive.application_context_name),
                    [str(context.abstract_syntax) for context in definitions],
                    [context.result for context in results],
                    primitive.maximum_length_received,
                )
            )
        elif kind is own.pdu_primitives.A_RELEASE:
            told[who].put(("release", primitive.result))

    def handlers(who):
        return [(f"EVT_ACSE_{way}", note, [who]) for way in ("RECV", "SENT")]

    server = pair.serve([ECHO], handlers("server"))
    assoc = pair.associate(server, [ECHO], handlers("client"))
    finish(assoc)
    application = "1.2.840.10008.3.1.1.1"
    request = (None, "CLIENT", "SERVER", application, [ECHO], [], 16382)
    for one in told.values():
        asked, answered, released, answer = one.take(4)
        assert asked == request
        assert (answered[0], answered[5]) == (0, [0])
        assert [released, answer] == [("release", None), ("release", "affirmative")]


def test_fields_of_pdus(pair):
    told = Told()

    def note(event):
        pdu = event.pdu
        if pdu.pdu_type in (1, 2):
            told.put((pdu.pdu_type, len(pdu.presentation_context), pdu.called_ae_title.strip()))

    server = pair.serve([ECHO], [("EVT_PDU_RECV", note), ("EVT_PDU_SENT", note)])
    finish(pair.associate(server, [ECHO]))
    assert sorted(told.take(2)) == [(1, 1, "SERVER"), (2, 1, "SERVER")]

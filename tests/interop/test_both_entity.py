"""What a program sees of an AE, and of an association that cannot begin, under both libraries."""

from __future__ import annotations

import gc
import os
import signal
import socket

import pynetdicom
import pytest

import gateway
from tests.interop.both import CT, ECHO, HOST, WAIT, bound, pair_of, send
from tests.peers import procfs

BOTH = (gateway, pynetdicom)


def described(lib, **settings):
    ae = lib.AE("TITLE")
    for name, value in settings.items():
        setattr(ae, name, value)
    ae.add_requested_context(ECHO)
    ae.add_supported_context(CT, "1.2.840.10008.1.2")
    return str(ae)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"require_calling_aet": ["A", "B"], "require_called_aet": True},
        {"acse_timeout": 5.5, "network_timeout": None, "maximum_associations": 3},
    ],
)
def test_an_ae_as_text(settings):
    assert described(gateway, **settings) == described(pynetdicom, **settings)


@pytest.mark.parametrize("lib", BOTH)
def test_a_title_of_bytes_is_deprecated(lib):
    with pytest.warns(DeprecationWarning, match="use of bytes with 'ae_title' is deprecated"):
        ae = lib.AE(b"TITLE")
    assert ae.ae_title == "TITLE"


@pytest.mark.parametrize("lib", BOTH)
def test_an_implementation_version_name(lib):
    ae = lib.AE()
    for name in ("  ", "A" * 16, None):
        ae.implementation_version_name = name
        assert ae.implementation_version_name == name
    for wrong in ("", "A" * 17):
        with pytest.raises(ValueError, match="implementation_version_name"):
            ae.implementation_version_name = wrong


WITHOUT_CONNECTION = {
    "EVT_REQUESTED",
    "EVT_ACSE_SENT",
    "EVT_FSM_TRANSITION",
    "EVT_CONN_CLOSE",
    "EVT_ABORTED",
}
WATCHED = WITHOUT_CONNECTION | {
    *("EVT_ACSE_RECV", "EVT_CONN_OPEN", "EVT_ESTABLISHED", "EVT_ACCEPTED", "EVT_REJECTED"),
    *("EVT_RELEASED", "EVT_PDU_SENT", "EVT_PDU_RECV", "EVT_DATA_SENT", "EVT_DATA_RECV"),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its socket
@pytest.mark.parametrize("lib", BOTH)
def test_a_refused_connection_is_told_of(lib):
    told, moved = [], []

    def tell(event):
        told.append(event.name if lib is gateway else event.event.name)
        if told[-1] == "EVT_FSM_TRANSITION":
            moved.append((event.current_state, event.fsm_event, event.action, event.next_state))

    ae = lib.AE()
    ae.acse_timeout = WAIT
    ae.add_requested_context(ECHO)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    assoc = ae.associate(HOST, port, evt_handlers=bound(lib, [(n, tell) for n in WATCHED]))
    assert assoc.is_aborted
    procfs.until(lambda: told.count("EVT_ACSE_SENT") == 2, timeout=WAIT, what="both primitives")
    procfs.until(lambda: "EVT_ABORTED" in told, timeout=WAIT, what="the abort")
    assert set(told) == WITHOUT_CONNECTION
    assert moved == [("Sta1", "Evt1", "AE-1", "Sta4"), ("Sta4", "Evt17", "AA-4", "Sta1")]


def test_an_ae_lists_its_peers(pair):
    """A server's AE and a client's show the peers of their associations."""
    server = pair.serve([ECHO], ae_title="SERVER")
    assoc = pair.associate(server, [ECHO], calling="CLIENT")
    port = server.server_address[1]
    assert str(assoc.ae).endswith(f"  Association(s): 1/10\n\tPeer: SERVER on {HOST}:{port}")
    procfs.until(lambda: server.active_associations, timeout=WAIT, what="the association")
    assert f"  Association(s): 1/10\n\tPeer: CLIENT on {HOST}:" in str(server.ae)
    ends = (assoc.requestor, assoc.acceptor, server)
    addresses = [end.address_info for end in ends]
    assert [info.address for info in addresses] == [HOST] * 3
    assert addresses[1].as_tuple == (HOST, port)
    assert (addresses[2].is_ipv4, addresses[2].is_ipv6) == (True, False)


@pytest.mark.parametrize("lib", BOTH)
def test_an_address_of_ipv6(lib):
    ae = lib.AE()
    ae.add_supported_context(ECHO)
    try:
        server = ae.start_server(("::1", 0, 1, 0), block=False)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    info = server.address_info
    server.shutdown()
    assert (info.address, info.flowinfo, info.scope_id) == ("::1", 1, 0)
    assert (info.is_ipv6, info.address_family) == (True, socket.AF_INET6)
    assert len(info.as_tuple) == 4


def test_events_that_have_an_answer_or_a_watcher(pair):
    server = pair.serve([ECHO], [("EVT_CONN_OPEN", id), ("EVT_C_ECHO", lambda _: 0)])
    assoc = pair.associate(server, [ECHO], [("EVT_RELEASED", id)])
    for bound_to, watched in ((server, "EVT_CONN_OPEN"), (assoc, "EVT_RELEASED")):
        names = [event.name for event in bound_to.get_events()]
        assert names == sorted(names)
        assert {"EVT_C_ECHO", "EVT_C_STORE", "EVT_USER_ID", watched} <= set(names)
        assert not {"EVT_ABORTED", "EVT_CONN_CLOSE"} & set(names)


WRONG = {
    "address": lambda lib, ae: ae.associate(1, 104),
    "port": lambda lib, ae: ae.associate(HOST, "104"),
    "called title": lambda lib, ae: ae.associate(HOST, 104, ae_title=" "),
    "contexts": lambda lib, ae: ae.associate(HOST, 104, contexts=[ECHO]),
    "129 contexts": lambda lib, ae: ae.associate(HOST, 104, [lib.build_context(ECHO)] * 129),
    "no contexts": lambda lib, ae: lib.AE().associate(HOST, 104),
    "bind address": lambda lib, ae: ae.associate(HOST, 104, bind_address=HOST),
    "no supported contexts": lambda lib, ae: lib.AE().start_server((HOST, 0), block=False),
    "one role": lambda lib, ae: ae.make_server(
        (HOST, 0), contexts=[one_role(lib.build_context(ECHO))]
    ),
    "requested contexts": lambda lib, ae: setattr(ae, "requested_contexts", [ECHO]),
    "129 requested contexts": lambda lib, ae: [ae.add_requested_context(ECHO) for _ in range(129)],
    "role": lambda lib, ae: ae.add_supported_context(ECHO, scu_role=1, scp_role=True),
}


def one_role(context):
    context.scu_role = True
    return context


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its socket
@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_the_same(name):
    raised = []
    for lib in BOTH:
        ae = lib.AE()
        ae.add_requested_context(CT)
        ae.add_supported_context(CT)
        with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
            WRONG[name](lib, ae)
        raised.append((caught.type, str(caught.value)))
        del caught
        gc.collect()  # what pynetdicom leaves open
    ours, theirs = raised
    assert ours[0] is theirs[0]
    assert ours[1].startswith(theirs[1][:40]), raised


REJECTING = {
    "require_calling_aet": (["FRIEND"], []),
    "require_called_aet": (True, False),
    "maximum_associations": (1, 10),
}


@pytest.mark.parametrize("setting", REJECTING)
def test_a_server_that_runs_rejects_by_what_is_set_now(pair, setting):
    server = pair.serve([ECHO])
    before = pair.associate(server, [ECHO])
    rejecting, accepting = REJECTING[setting]
    setattr(server.ae, setting, rejecting)
    assert pair.associate(server, [ECHO], called="OTHER", must=False).is_rejected
    assert send(before, "c_echo").Status == 0x0000
    setattr(server.ae, setting, accepting)
    assert pair.associate(server, [ECHO], called="OTHER").is_established


def test_a_server_that_runs_says_what_is_set_now(pair):
    server = pair.serve([ECHO])
    server.ae.maximum_pdu_size = 20_000
    server.ae.implementation_version_name = "LATER"
    server.ae.implementation_class_uid = "1.2.826.0.1.7"
    peer = pair.associate(server, [ECHO]).acceptor
    assert (peer.maximum_length, peer.implementation_version_name) == (20_000, "LATER")
    assert peer.implementation_class_uid == "1.2.826.0.1.7"


def test_an_acceptor_that_is_started_again_has_what_is_set_now():
    with pair_of("gateway", "gateway") as pair:
        server = pair.serve([ECHO])
        server.ae.require_called_aet = True
        os.kill(server._acceptor.pid, signal.SIGKILL)
        server.ae.require_calling_aet = ["FRIEND"]  # there is nobody to tell
        procfs.until(
            lambda: not pair.associate(server, [ECHO], must=False).is_aborted,
            timeout=WAIT,
            what="another acceptor",
        )
        assert pair.associate(server, [ECHO], must=False).is_rejected
        assert pair.associate(server, [ECHO], calling="FRIEND").is_established
        assert pair.associate(server, [ECHO], calling="FRIEND", called="X", must=False).is_rejected

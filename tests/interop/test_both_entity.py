"""What a program sees of an AE, and of an association that cannot begin, under both libraries."""

from __future__ import annotations

import socket

import pynetdicom
import pytest

import gateway
from tests.interop.both import CT, ECHO, HOST, WAIT, bound
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

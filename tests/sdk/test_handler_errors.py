"""What is logged of a handler that raised: a traceback only if its code may be wrong."""

from __future__ import annotations

import logging

import pytest

from gateway.association.errors import Aborted
from gateway.datasets import DatasetError
from gateway.dimse.message import CFindRQ
from gateway.errors import ConfigError, FabricError, LocalProtocolError
from gateway.log import AssociationName
from gateway.sdk.handler_errors import log_raised
from gateway.sdk.peer_responses import PeerResponse, answer_of
from tests.peers import wire


@pytest.mark.parametrize("error", [DatasetError("cut off"), Aborted("gone"), FabricError("late")])
def test_what_a_peer_can_cause_is_a_line(error, caplog) -> None:
    log_raised(error, "EVT_C_FIND", "find", association=AssociationName("1", "h:2", "", ""))
    (record,) = caplog.records
    named = "association=1 peer=h:2 event=EVT_C_FIND handler=find"
    assert record.getMessage() == f"{named} raised: {error}"
    assert record.exc_info is None
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("error", [KeyError("x"), ConfigError("x"), LocalProtocolError("x")])
def test_a_bug_has_its_traceback(error, caplog) -> None:
    log_raised(error, "EVT_C_FIND", "find", " for a batch of 3", log=logging.getLogger("other"))
    (record,) = caplog.records
    assert record.getMessage() == "event=EVT_C_FIND handler=find raised for a batch of 3"
    assert record.name == "other"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_response_that_cannot_be_decoded_is_a_line(caplog) -> None:
    response = PeerResponse(0xFF00, {}, b"\x08\x00\x05\x00CS\xff\xffcut")
    status, match = answer_of(CFindRQ(1, "1.2"), response, wire.EXPLICIT)
    assert (status.Status, match) == (0xFF00, None)
    assert "the data set of a response" in caplog.text
    assert "Traceback" not in caplog.text

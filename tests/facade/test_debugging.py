"""`debug_logger`, and what is shown of associations and messages."""

from __future__ import annotations

import logging

import pytest
from pydicom.dataset import Dataset

import gateway
from gateway import AE, debug_logger, evt
from gateway.facade import flags
from gateway.pdu_primitives import UserIdentityNegotiation
from gateway.sop_class import StudyRootQueryRetrieveInformationModelFind as Find
from gateway.sop_class import Verification

SECRET, PATIENT = "geheim", "ZORBLAX"


@pytest.fixture
def shown(caplog):
    """What is logged of an association with an echo and a query, under both loggers."""
    caplog.set_level(logging.DEBUG, "gateway")
    caplog.set_level(logging.DEBUG, "pynetdicom")

    def run() -> str:
        def echo(event):
            logging.getLogger("pynetdicom").info("the handler's own line")
            return 0x0000

        def find(event):
            yield 0xFF00, event.identifier

        ae = AE("SERVER")
        ae.add_supported_context(Verification)
        ae.add_supported_context(Find)
        handlers = [(evt.EVT_C_ECHO, echo), (evt.EVT_C_FIND, find)]
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        client = AE("CLIENT")
        client.add_requested_context(Verification)
        client.add_requested_context(Find)
        identity = UserIdentityNegotiation()
        identity.user_identity_type = 2
        identity.primary_field, identity.secondary_field = b"user", SECRET.encode()
        assoc = client.associate(
            "127.0.0.1", server.server_address[1], ae_title="SERVER", ext_neg=[identity]
        )
        assert assoc.send_c_echo().Status == 0x0000
        query = Dataset()
        query.QueryRetrieveLevel, query.PatientName = "STUDY", PATIENT
        assert len(list(assoc.send_c_find(query, Find))) == 2
        assoc.release()
        server.shutdown()
        return "\n".join(record.getMessage() for record in caplog.records)

    return run


def test_both_sides_and_the_program(shown) -> None:
    text = shown()
    for line in (
        "Sending A-ASSOCIATE-RQ",
        "Received A-ASSOCIATE-RQ",
        "Sending A-ASSOCIATE-AC",
        "Received A-ASSOCIATE-AC",
        "  Calling AE title: CLIENT",
        "  Called AE title:  SERVER",
        "    1: Verification SOP Class",
        "    1: Accepted",
        "  User identity: username and passcode, 10 bytes",
        "Sending C-ECHO-RQ on context 1",
        "Received C-ECHO-RSP on context 1",
        "Received C-FIND-RQ on context 3",
        "Sending C-FIND-RSP on context 3",
        "  Status: 0xFF00",
        "  Status: 0x0000",
        "Received A-RELEASE-RQ",
        "Received A-RELEASE-RP",
        "the handler's own line",
    ):
        assert line in text, line
    assert SECRET not in text


def test_identifiers_are_shown_only_where_they_are_asked_for(shown, monkeypatch) -> None:
    assert PATIENT not in shown()
    monkeypatch.setattr(flags, "LOG_REQUEST_IDENTIFIERS", True)
    assert PATIENT in shown()


def test_without_debugging_nothing_is_watched() -> None:
    server = AE().make_server(("127.0.0.1", 0), contexts=[gateway.build_context(Verification)])
    names = {event.name for event in server._handlers.get_events()}
    server.server_close()
    assert not names & {"EVT_DIMSE_RECV", "EVT_ACSE_RECV"}


def test_debug_logger_adds_one_handler_to_each_logger() -> None:
    loggers = [logging.getLogger(name) for name in ("gateway", "pynetdicom")]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    try:
        for logger in loggers:
            logger.handlers.clear()
        debug_logger()
        debug_logger()
        assert [(logger.level, len(logger.handlers)) for logger in loggers] == [(10, 1)] * 2
    finally:
        for logger, (level, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.handlers[:] = handlers

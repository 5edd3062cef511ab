"""The same messages, made and read by pynetdicom."""

from __future__ import annotations

from io import BytesIO

import pytest
from pynetdicom import dimse_messages as theirs
from pynetdicom.dsutils import decode as their_decode
from pynetdicom.dsutils import encode as their_encode
from pynetdicom.pdu_primitives import P_DATA

from gateway.dimse.fragmenter import fragment
from gateway.dimse.message import DataSet, decode

from .samples import IDS, SAMPLES
from .wire import parts, pdvs

DATA = b"\x08\x00\x18\x00\x04\x00\x00\x001.2\x00"
# Elements that PS3.7 annex C allows in a response and their message class does not have.
NOT_THEIRS = {"C_FIND_RSP": (), "N_CREATE_RSP": ("AttributeIdentifierList",)}

each_sample = pytest.mark.parametrize("message", SAMPLES, ids=IDS)


def plain(value):
    """Return pynetdicom's value in our form: one item is not a list, an AT is a number."""
    if isinstance(value, str | bytes):
        return value if isinstance(value, str) else value.decode().strip()
    try:
        return [int(item) for item in value]
    except TypeError:
        return int(value)


def has_data(message) -> bool:
    return message.data_set is DataSet.REQUIRED


@each_sample
def test_their_codec_reads_and_writes_the_same_bytes(message):
    encoded = message.encode(has_data(message))
    ds = their_decode(BytesIO(encoded), True, True)
    expected = message.parameters()
    for keyword, value in expected.items():
        found = plain(ds[keyword].value)
        assert found == (value[0] if isinstance(value, list) and len(value) == 1 else value)
    assert {e.keyword for e in ds} == set(expected) | {
        *("CommandGroupLength", "CommandField", "CommandDataSetType")
    }
    assert their_encode(ds, True, True) == encoded


@each_sample
def test_their_messages_understand_ours(message):
    data = DATA if has_data(message) else None
    received = theirs.DIMSEMessage()
    complete = False
    for pdu in fragment(1, message.encode(data is not None), data, 64):
        for context_id, header, piece in pdvs(pdu):
            primitive = P_DATA()
            primitive.presentation_data_value_list = [[context_id, bytes([header]) + piece]]
            complete = received.decode_msg(primitive)
    assert complete
    assert type(received).__name__ == message.command_field.name
    assert received.data_set.getvalue() == (data or b"")
    their_primitive = received.message_to_primitive()
    skipped = NOT_THEIRS.get(message.command_field.name, ())
    for keyword, value in message.parameters().items():
        if keyword in skipped or not hasattr(their_primitive, keyword):
            continue
        found = getattr(their_primitive, keyword)
        assert plain(found) == (value[0] if isinstance(value, list) and len(value) == 1 else value)


@each_sample
def test_we_understand_their_messages(message):
    """Their message class, filled with our values, sends what we read as the same message."""
    sent = getattr(theirs, message.command_field.name)()
    for keyword, value in message.parameters().items():
        setattr(sent.command_set, keyword, value)
    sent.command_set.CommandField = int(message.command_field)
    sent.command_set.CommandDataSetType = 1 if has_data(message) else 0x0101
    sent.data_set = BytesIO(DATA if has_data(message) else b"")
    for element in list(sent.command_set):
        if element.value is None and element.keyword != "CommandGroupLength":
            del sent.command_set[element.tag]
    sent.command_set.CommandGroupLength = len(their_encode(sent.command_set, True, True)) - 12
    command = b""
    for p_data in sent.encode_msg(1, 64):
        for context_id, fragment_ in p_data.presentation_data_value_list:
            (part,) = parts(context_id, fragment_[0], fragment_[1:])
            command += bytes(part.data) if part.command else b""
    assert decode(command) == (message, has_data(message))

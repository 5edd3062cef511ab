import threading
from datetime import datetime
from pathlib import Path

import pytest
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.events import Event as TheirEvent

from gateway import events, evt
from gateway.datasets.coding import encode
from gateway.datasets.deflation import deflate
from gateway.sdk import DatasetError, Event
from gateway.sdk.event_attributes import EventAttribute, attributes_of
from tests.peers.elements import ITEM, SEQUENCE_END, UNDEFINED, el, implicit
from tests.sdk.conftest import INSTANCE, TOKEN, dimse_event, part10, store_event

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]


@pytest.fixture(params=["inline", "spooled"])
def where(request, tmp_path):
    return None if request.param == "inline" else tmp_path / "spooled"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_data_set_of_a_store(instance, where, syntax):
    event = store_event(instance, syntax, path=where)
    assert event.dataset == instance
    assert event.dataset is event.dataset
    assert event.file_meta.TransferSyntaxUID == syntax
    assert event.file_meta.MediaStorageSOPInstanceUID == INSTANCE


@pytest.mark.parametrize("syntax", SYNTAXES[1:])
def test_a_vr_that_is_not_known_hides_nothing_of_a_store(instance, where, syntax):
    encoded = el(0x00080001, b"--", b"length  ") + encode(instance, ExplicitVRLittleEndian)
    encoded += el(0x7FE00010, b"OB", ITEM + implicit(0xFFFEE000, b"abcd") + SEQUENCE_END, UNDEFINED)
    packed = deflate(encoded) if syntax == DeflatedExplicitVRLittleEndian else encoded
    event = store_event(packed, syntax, path=where)
    assert event.dataset.SOPInstanceUID == instance.SOPInstanceUID
    assert event.dataset.PixelData == ITEM + implicit(0xFFFEE000, b"abcd")
    assert event.encoded_dataset(include_meta=False) == packed


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_exact_bytes_of_a_store(instance, where, syntax):
    whole, offset = part10(instance, syntax)
    event = store_event(instance, syntax, path=where)
    assert event.encoded_dataset() == whole
    assert event.encoded_dataset(include_meta=False) == whole[offset:]
    assert event.encoded_dataset(False) == whole[offset:]
    assert event.request.DataSet.getvalue() == whole[offset:]
    assert event.claim_data == (None if where else whole)
    request = event.request
    assert event.stored_uids == (
        request.AffectedSOPClassUID,
        request.AffectedSOPInstanceUID,
        syntax,
    )


def test_a_received_file_can_be_saved_as_in_pynetdicom(instance, where, tmp_path):
    event = store_event(instance, path=where)
    ds = event.dataset
    ds.file_meta = event.file_meta
    ds.save_as(tmp_path / "copy.dcm")
    again = store_event(ds, path=where)
    assert again.dataset.PatientID == "P1"


def test_the_path_of_a_spooled_data_set_is_the_spools(instance, tmp_path):
    event = store_event(instance, path=tmp_path / "spooled")
    assert event.dataset_path == tmp_path / "spooled"
    event.close()
    assert event.dataset_path.exists()


def test_an_inline_data_set_has_a_path_until_the_event_is_closed(instance):
    event = store_event(instance)
    path = event.dataset_path
    assert path.read_bytes() == event.encoded_dataset()
    assert path.stat().st_mode & 0o777 == 0o600
    assert event.dataset_path is path
    event.close()
    event.close()
    assert not path.exists()


def test_the_request_of_a_store(instance, blob):
    event = store_event(instance, blob=blob, attempt=2)
    assert event.request.AffectedSOPInstanceUID == INSTANCE
    assert event.request.AffectedSOPClassUID.name == "CT Image Storage"
    assert (event.request.Priority, event.request.MessageID) == (2, 7)
    assert event.request.MoveOriginatorMessageID is None
    assert "Priority=2" in repr(event.request)
    with pytest.raises(AttributeError, match="no parameter 'priority'"):
        _ = event.request.priority
    assert event.context == (1, CTImageStorage, ExplicitVRLittleEndian)
    assert event.context.abstract_syntax.name == "CT Image Storage"
    assert event.context.transfer_syntax.is_little_endian
    assert (event.message_id, event.attempt) == (7, 2)
    assert event.claim.token == TOKEN
    assert event.assoc.requestor.ae_title == "MODALITY"


def test_what_every_event_has(blob):
    event = Event(evt.EVT_RELEASED, {}, blob=blob, timestamp=1700000000.5)
    assert event.event is evt.EVT_RELEASED
    assert (event.name, event.description) == ("EVT_RELEASED", "Association released")
    assert event.timestamp == datetime.fromtimestamp(1700000000.5)
    assert event.timestamp.tzinfo is None
    assert Event(evt.EVT_C_ECHO, {}).timestamp <= datetime.now()
    assert repr(event) == "<Event EVT_RELEASED>"


def test_a_missing_attribute_names_those_there_are(instance):
    with pytest.raises(AttributeError) as caught:
        _ = dimse_event(evt.EVT_C_ECHO).dataset
    assert str(caught.value) == (
        "EVT_C_ECHO has no attribute 'dataset'; it has assoc, event, name, description, "
        "timestamp, publish, is_watched, request, context, message_id, attempt, is_cancelled"
    )
    assert not hasattr(store_event(instance), "identifier")
    assert not hasattr(Event(evt.EVT_RELEASED, {}), "is_cancelled")


def test_an_attribute_error_inside_is_not_mistaken():
    event = Event(evt.EVT_C_STORE, {"context": None, "claim": {}})
    object.__setattr__(event, "_payload", 7)
    with pytest.raises(RuntimeError, match=r"EVT_C_STORE\.message_id"):
        _ = event.message_id


def test_cancelled_is_sticky_and_seen_by_a_running_handler():
    event = dimse_event(evt.EVT_C_ECHO)
    assert event.is_cancelled is False
    event.cancellation.set()
    assert event.is_cancelled is True
    assert event.is_cancelled is True


def test_publish():
    sent = []
    event = Event(evt.EVT_C_ECHO, {}, publish=lambda topic, body: sent.append((topic, body)))
    event.publish(evt.EVT_INSTANCE_STORED, {"size": 3})
    event.publish("EVT_INSTANCE_STORED")
    assert sent == [("EVT_INSTANCE_STORED", {"size": 3}), ("EVT_INSTANCE_STORED", {})]
    Event(evt.EVT_C_ECHO, {}).publish(evt.EVT_INSTANCE_STORED)  # nobody to tell
    for wrong in (evt.EVT_C_STORE, "EVT_NOTHING"):
        with pytest.raises(ValueError, match="is not a notification event"):
            event.publish(wrong)


def test_what_nobody_watches_is_not_published():
    sent = []
    event = Event(
        evt.EVT_C_ECHO,
        {},
        publish=lambda topic, body: sent.append(topic),
        is_watched=lambda topic: topic == "EVT_RELEASED",
    )
    assert event.is_watched(evt.EVT_RELEASED)
    assert not event.is_watched("EVT_INSTANCE_STORED")
    event.publish(evt.EVT_INSTANCE_STORED)
    event.publish("EVT_RELEASED")
    assert sent == ["EVT_RELEASED"]
    assert not Event(evt.EVT_C_ECHO, {}).is_watched(evt.EVT_RELEASED), "nobody to tell"
    with pytest.raises(ValueError, match="is not a notification event"):
        event.is_watched("EVT_NOTHING")


@pytest.mark.parametrize(
    ("event", "attribute"),
    [
        (evt.EVT_C_FIND, "identifier"),
        (evt.EVT_C_GET, "identifier"),
        (evt.EVT_C_MOVE, "identifier"),
        (evt.EVT_N_ACTION, "action_information"),
        (evt.EVT_N_CREATE, "attribute_list"),
        (evt.EVT_N_EVENT_REPORT, "event_information"),
        (evt.EVT_N_SET, "modification_list"),
    ],
)
def test_data_sets_of_other_requests(instance, event, attribute):
    for syntax in SYNTAXES:
        made = dimse_event(event, data=encode(instance, syntax), syntax=syntax)
        assert getattr(made, attribute) == instance
        assert getattr(made, attribute) is getattr(made, attribute)
        cut = dimse_event(event, data=encode(instance, syntax)[:-3], syntax=syntax)
        with pytest.raises(DatasetError):
            getattr(cut, attribute)
    assert list(getattr(dimse_event(event), attribute)) == []


def test_parameters_of_other_requests():
    assert dimse_event(evt.EVT_C_MOVE, MoveDestination="THERE").move_destination == "THERE"
    assert dimse_event(evt.EVT_N_ACTION, ActionTypeID=1).action_type == 1
    assert dimse_event(evt.EVT_N_EVENT_REPORT, EventTypeID=2).event_type == 2
    asked = dimse_event(evt.EVT_N_GET, AttributeIdentifierList=[0x00100010])
    assert asked.attribute_identifiers == [0x00100010]


def test_the_data_set_under_its_parameters_name(instance):
    encoded = encode(instance, ExplicitVRLittleEndian)
    event = dimse_event(evt.EVT_C_FIND, data=encoded)
    assert event.request.Identifier.read() == encoded


def test_negotiation():
    asked = Event(evt.EVT_SOP_EXTENDED, {"app_info": {"1.2.3": b"\0"}})
    assert asked.app_info == {"1.2.3": b"\0"}
    assert Event(evt.EVT_ASYNC_OPS, {"nr_invoked": 4}).nr_invoked == 4
    assert Event(evt.EVT_USER_ID, {"user_id_type": 1}).user_id_type == 1
    item = {
        "sop_class_uid": CTImageStorage,
        "service_class_uid": "1.2.840.10008.4.2",
        "related_general_sop_class_identification": ["1.2.3"],
    }
    (told,) = Event(evt.EVT_SOP_COMMON, {"items": {CTImageStorage: item}}).items.values()
    assert told.service_class_uid == "1.2.840.10008.4.2"
    assert told.related_general_sop_class_identification == ["1.2.3"]


def test_a_store_without_its_data_set(instance):
    event = store_event(instance)
    event._data = None
    with pytest.raises(DatasetError, match="came without its data set"):
        _ = event.dataset


def test_a_spool_file_that_is_gone(instance, tmp_path):
    event = store_event(instance, path=tmp_path / "spooled")
    (tmp_path / "spooled").unlink()
    with pytest.raises(FileNotFoundError):
        _ = event.dataset
    assert isinstance(event.dataset_path, Path)


def test_every_attribute_belongs_to_some_event():
    known = {name for event in events.CATALOGUE.values() for name in attributes_of(event)}
    assert {
        name for name, value in vars(Event).items() if isinstance(value, EventAttribute)
    } <= known


def test_two_threads_see_one_value(instance):
    event = store_event(instance)
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(event.claim)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1


def test_what_pynetdicoms_events_have_is_there():
    wanted = {n for n, v in vars(TheirEvent).items() if isinstance(v, property)}
    known = {name for event in events.CATALOGUE.values() for name in attributes_of(event)}
    assert wanted <= known

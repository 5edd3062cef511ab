"""A worker whose handlers do what the calling AE title says: each way to go wrong has a name.

The test module copies this file beside its gateway, as a user would write one.
"""

from __future__ import annotations

import os

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from gateway import Worker, evt

CT = "1.2.840.10008.5.1.4.1.1.2"
DEADLINE = 2.5

worker = Worker("status", concurrency=32)


def case(event) -> str:
    return event.assoc.requestor.ae_title


def say(*words) -> None:
    """A line, whole whatever other threads say."""
    print(" ".join(map(str, words)) + "\n", end="", flush=True)


def hang(event) -> None:
    """Until the gateway wants no answer any more, which is past the deadline."""
    say("in hand", event.name, os.getpid())
    event.cancellation.wait(600)


def instance(number: int) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = f"1.2.3.{number}"
    ds.PatientName = "Sent^By the worker"
    return ds


def unencodable(number: int = 1) -> Dataset:
    ds = instance(number)
    ds.Rows = "many"
    return ds


def status_set(status: int, **elements) -> Dataset:
    ds = Dataset()
    ds.Status = status
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


COMMENTED = status_set(
    0xC123,
    ErrorComment="long \u00e9\n" + "x" * 100,
    OffendingElement=[0x00100010, 0x00100020],
)


def single_status(event):
    """Return the status of a handler that answers once."""
    match case(event):
        case "RAISES":
            raise RuntimeError("asked to")
        case "EXITS":
            raise SystemExit(1)
        case "NO_STATUS":
            return Dataset()
        case "NONE":
            return None
        case "WRONG_TYPE":
            return "0000"
        case "TOO_BIG":
            return 0x10000
        case "PENDING":
            return 0xFF00
        case "CANCELS":
            return 0xFE00
        case "UNKNOWN":
            return 0xD123
        case "COMMENT":
            return COMMENTED
        case "LATE":
            hang(event)
        case "DECODES":
            decode(event)
    return 0x0000


DATA_SETS = ("dataset", "identifier", "action_information", "attribute_list", "modification_list")


def decode(event) -> None:
    for name in (*DATA_SETS, "event_information"):
        if name in event.event.attributes:
            str(getattr(event, name))


def status(event):
    if event.name == "EVT_C_STORE" and case(event) == "ASSOC":
        return 0x0000 if event.assoc.is_established else 0xC000
    return single_status(event)


def pair(event):
    match case(event):
        case "NO_PAIR":
            return 0x0000
        case "UNENCODABLE":
            return 0x0000, unencodable()
        case "NO_DATASET":
            return 0x0000, {"Rows": 1}
        case "WITH_DATA":
            return 0x0000, instance(7)
        case "WARNS":
            return 0x0001, instance(7)
        case "NONE":
            return None
    return single_status(event), None


def match(number: int) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = "PATIENT"
    ds.PatientID = str(number)
    return ds


def find_values(event):
    yield 0xFF00, match(1)
    match case(event):
        case "RAISES_LATER":
            raise RuntimeError("asked to")
        case "NO_STATUS":
            yield Dataset(), match(2)
        case "WRONG_TYPE":
            yield "FF00", match(2)
        case "NONE_LATER":
            yield None
        case "NO_PAIR":
            yield 0xFF00
        case "UNENCODABLE":
            yield 0xFF00, unencodable()
        case "NO_MATCH":
            yield 0xFF00, None
        case "WARNS":
            yield 0xB001, None
            yield 0xFF01, match(2)
        case "SUCCEEDS":
            yield 0x0000, None
            yield 0xFF00, match(2)
        case "FAILS":
            yield COMMENTED, None
            yield 0xFF00, match(2)
        case "UNKNOWN":
            yield 0xD123, None
        case "LATE_LATER":
            hang(event)
        case "CANCELLED":
            number = 2
            while not event.is_cancelled:
                yield 0xFF00, match(number)
                number += 1
            say("cancelled after", number)
            yield 0xFE00, None
        case "MANY":
            for number in range(2, 3000):
                yield 0xFF00, match(number)
        case "RELEASED":
            try:
                number = 2
                while True:
                    yield 0xFF00, match(number)
                    number += 1
            finally:
                say("closed", event.is_cancelled)


def fails_first(event):
    """Values of a generator that goes wrong before the first."""
    match case(event):
        case "RAISES_FIRST":
            raise RuntimeError("asked to")
        case "LATE":
            hang(event)
        case "DECODES":
            decode(event)
            raise RuntimeError("could be decoded")
    yield from ()


FIRST = {"RAISES_FIRST", "ENDS_FIRST", "LATE", "DECODES"}
AT_ONCE = {"RAISES", "NONE", "NO_GENERATOR"}


def at_once(event):
    """The behaviour of a handler that is not a generator."""
    match case(event):
        case "RAISES":
            raise RuntimeError("asked to")
        case "NO_GENERATOR":
            return 0x0000
    return None


def find(event):
    if case(event) in AT_ONCE:
        return at_once(event)
    return fails_first(event) if case(event) in FIRST else find_values(event)


def destination(event):
    port = event.move_destination.removeprefix("PORT")
    match case(event):
        case "NOWHERE":
            return None, None
        case "INVALID":
            return ("127.0.0.1",)
        case "INVALID_PORT":
            return "127.0.0.1", "many"
        case "UNREACHABLE":
            return "127.0.0.1", 1
    return "127.0.0.1", int(port)


NUMBERS = {
    "WRONG_NUMBER": "many",
    "NEGATIVE": -1,
    "TRUTH": True,
    "TOO_MANY": 0x10000,
    "MOST": 0xFFFF,
    "ZERO": 0,
    "BARE_INT": 0xC001,
    "FEWER": 3,
    "MORE": 1,
    "GIVES_UP": 3,
    "CANCELLED": 500,
    "OBSTINATE": 500,
}
STATUS_FIRST = {
    "STATUS_FIRST": (0xA900, None),
    "SET_FIRST": status_set(0xA900, ErrorComment="not like this"),
    "NO_STATUS_FIRST": Dataset(),
}


def retrieve_values(event):
    name = case(event)
    if name in STATUS_FIRST:
        yield STATUS_FIRST[name]
        return
    if event.name == "EVT_C_MOVE":
        yield destination(event)
    if name == "NO_NUMBER":
        return
    yield NUMBERS.get(name, 2)
    yield from suboperations(event)


def suboperations(event):
    name = case(event)
    if name in ("MOST", "ZERO", "BARE_INT"):
        return
    yield 0xFF00, unencodable(1) if name in ("UNENCODABLE", "NONE_ENCODABLE") else instance(1)
    match name:
        case "RAISES_LATER":
            raise RuntimeError("asked to")
        case "NO_STATUS":
            yield Dataset(), instance(2)
        case "WRONG_TYPE":
            yield "FF00", instance(2)
        case "NONE_LATER":
            yield None
        case "LATE_LATER":
            hang(event)
        case "FEWER":
            return
        case "NONE_ENCODABLE":
            yield 0xFF00, unencodable(2)
        case "GIVES_UP":
            failed = Dataset()
            failed.FailedSOPInstanceUIDList = ["1.2.3.2", "1.2.3.3"]
            yield 0xA702, failed
        case "UNKNOWN":
            yield 0xD123, None
        case "CANCELLED":
            for number in range(2, 500):
                if event.is_cancelled:
                    yield 0xFE00, None
                    return
                yield 0xFF00, instance(number)
        case "OBSTINATE":
            try:
                for number in range(2, 500):
                    yield 0xFF00, instance(number)
            finally:
                say("closed", event.is_cancelled)
        case "NO_CONTEXT":
            other = instance(2)
            other.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
            yield 0xFF00, other
        case "ODD_UID":
            other = instance(2)
            other.SOPInstanceUID = "1.2." + "9" * 80 + "/../x"
            yield 0xFF00, other
        case "FILE":
            yield 0xFF00, written(instance(2))
        case "NO_FILE":
            yield 0xFF00, "/nowhere/at/all"
        case _:
            yield 0xFF00, instance(2)


def written(ds: Dataset) -> str:
    path = f"{ds.SOPInstanceUID}.dcm"
    ds.ensure_file_meta()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.save_as(path, enforce_file_format=True)
    return os.path.abspath(path)


def retrieve(event):
    if case(event) in AT_ONCE:
        return at_once(event)
    return fails_first(event) if case(event) in FIRST else retrieve_values(event)


STATUSES = (evt.EVT_C_ECHO, evt.EVT_C_STORE, evt.EVT_N_DELETE)
PAIRS = (
    evt.EVT_N_ACTION,
    evt.EVT_N_CREATE,
    evt.EVT_N_EVENT_REPORT,
    evt.EVT_N_GET,
    evt.EVT_N_SET,
)
for event_ in STATUSES:
    worker.bind(event_, status, deadline=DEADLINE)
for event_ in PAIRS:
    worker.bind(event_, pair, deadline=DEADLINE)
worker.bind(evt.EVT_C_FIND, find, deadline=DEADLINE)
worker.bind(evt.EVT_C_GET, retrieve, deadline=DEADLINE)
worker.bind(evt.EVT_C_MOVE, retrieve, deadline=DEADLINE)

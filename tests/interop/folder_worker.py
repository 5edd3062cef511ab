"""Answers queries and retrievals from the DICOM files of a folder: a worker as users write them."""

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway import Worker, evt

worker = Worker("folder")
FILES = Path("files")


def matches(key, ds):
    found = ds.get(key.tag)
    return key.is_empty or (found is not None and str(key.value) in ("*", str(found.value)))


def search(identifier):
    keys = [key for key in identifier if key.keyword != "QueryRetrieveLevel"]
    for path in sorted(FILES.rglob("*.dcm")):
        ds = dcmread(path, stop_before_pixels=True)
        if all(matches(key, ds) for key in keys):
            yield path, ds


@worker.on(evt.EVT_C_FIND)
def find(event):
    wanted = event.identifier
    for _, ds in search(wanted):
        if event.is_cancelled:
            yield 0xFE00, None
            return
        answer = Dataset()
        answer.QueryRetrieveLevel = wanted.QueryRetrieveLevel
        answer.update({key.tag: ds[key.tag] for key in wanted if key.tag in ds})
        yield 0xFF00, answer


def send(event):
    paths = [path for path, _ in search(event.identifier)]
    yield len(paths)
    for path in paths:
        if event.is_cancelled:
            yield 0xFE00, None
            return
        yield 0xFF00, path


@worker.on(evt.EVT_C_GET)
def get(event):
    return send(event)


@worker.on(evt.EVT_C_MOVE)
def move(event):
    yield event.move_destination  # an entry of [destinations]
    yield from send(event)

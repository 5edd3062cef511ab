"""The parts of a multipart body, as the worker reads them."""

from __future__ import annotations

from workers.dicomweb.parts import Begun, Data, PartsReader


def parts_in(body: bytes, boundary: str) -> list[bytes]:
    reader, found = PartsReader(boundary), []
    for event in reader.feed(body):
        if isinstance(event, Begun):
            assert event.headers == {"content-type": "application/dicom"}
            found.append(b"")
        elif isinstance(event, Data):
            found[-1] += event.content
    reader.close()
    return found

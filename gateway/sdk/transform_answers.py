"""The answer to EVT_STORE_TRANSFORM: the data set of a handler as a DICOM file.

A short one goes along with the answer. A long one is written into the file that the request names,
which is there already: if whoever asked has given up meanwhile, it is not, and nothing is left
behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.datasets import DatasetError
from gateway.datasets.conversion import encoded_instance
from gateway.part10 import file_meta

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from gateway.sdk.event import Event

INLINE = 64 * 1024
"""Bytes of a file that goes along with the answer."""


def file_answer(event: Event, dataset: Dataset) -> tuple[dict[str, Any], bytes | None]:
    """Return the payload of an answer with a data set, and the file if it is short.

    The transfer syntax is that of the data set's `file_meta`, or that of the event. Raises
    DatasetError for what cannot be encoded or is too long, without any of its values.
    """
    meta = getattr(dataset, "file_meta", None) or event.file_meta
    syntax = str(meta.get("TransferSyntaxUID") or event.context.transfer_syntax)
    try:
        made = encoded_instance(dataset, syntax)
    except DatasetError as error:
        why = type(error.__cause__).__name__ if error.__cause__ is not None else str(error)
        raise DatasetError(f"the data set cannot be encoded: {why}") from error
    uids = made.sop_class_uid, made.sop_instance_uid, syntax
    head = file_meta(*uids, *_source(meta))
    if made.size > event._payload["limit"]:
        raise DatasetError(
            f"the data set has {made.size} bytes, more than {event._payload['limit']}"
        )
    payload = {
        "sop_class_uid": made.sop_class_uid,
        "sop_instance_uid": made.sop_instance_uid,
        "transfer_syntax_uid": syntax,
        "offset": len(head),
        "size": made.size,
    }
    encoded = made.read()
    if len(head) + len(encoded) <= INLINE:
        return payload, head + encoded
    _write(event._payload["result"], head, encoded)
    return payload, None


def _source(meta: Any) -> tuple[str, str, str]:
    """Return what a file meta says of where the instance came from."""
    address = str(meta.get("SourcePresentationAddress") or "")
    return (
        str(meta.get("SourceApplicationEntityTitle") or ""),
        str(meta.get("ReceivingApplicationEntityTitle") or ""),
        address.removeprefix("dicom://").strip("[]"),
    )


def _write(path: str, *pieces: bytes) -> None:
    try:
        with open(path, "r+b") as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        raise DatasetError(f"the file cannot be written: {error.strerror}") from error

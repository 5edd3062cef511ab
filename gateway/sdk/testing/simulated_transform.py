"""A worker asked to transform an instance (EVT_STORE_TRANSFORM)."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Unpack

from gateway import events
from gateway.datasets.coding import decode, decode_file_meta
from gateway.dimse import message as dimse
from gateway.part10 import file_meta
from gateway.sdk.testing.simulated_peer import SimulatedPeerOptions, args_and_peer
from gateway.sdk.testing.simulated_request import SimulatedRequest, instance_of, spooled
from gateway.sdk.transforming import LIMIT

if TYPE_CHECKING:
    from os import PathLike

    from pydicom.dataset import Dataset

    from gateway.sdk.bound_handler import AnyHandler
    from gateway.sdk.worker_definition import Worker


def transform(
    handler: Worker | AnyHandler,
    instance: Dataset | str | PathLike[str],
    *,
    attempt: int = 1,
    **how: Unpack[SimulatedPeerOptions],
) -> int | Dataset:
    """Ask what to keep in place of a data set or DICOM file.

    Returns the data set to keep, with `file_meta`, or a status: success, it is kept as it is; a
    failure, it is not kept.
    """
    sop_class, uid, syntax, encoded = instance_of(instance)
    request = dimse.CStoreRQ(1, sop_class, uid, 2)
    asked = SimulatedRequest(
        events.EVT_STORE_TRANSFORM, request, sop_class, syntax, attempt=attempt
    )
    args, peer = args_and_peer(how)
    whole = file_meta(sop_class, uid, syntax, peer.ae_title, peer.called_ae_title) + encoded
    with (
        spooled(whole, len(whole) - len(encoded)) as (claim, data),
        tempfile.NamedTemporaryFile() as result,
    ):
        payload = {
            "claim": claim.to_map(),
            "calling_ae_title": peer.ae_title,
            "called_ae_title": peer.called_ae_title,
            "result": result.name,
            "limit": LIMIT,
        }
        (answer,) = asked.answers(handler, args, peer, data, payload)
        file = result.read() if answer.data is None else answer.data
    if "failed" in answer.payload or "status" in answer.payload:
        return asked.status_of(answer)
    offset = answer.payload["offset"]
    kept = decode(file[offset:], answer.payload["transfer_syntax_uid"])
    kept.file_meta = decode_file_meta(file[:offset])
    return kept

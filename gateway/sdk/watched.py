"""The PDUs, primitives and messages that notifications about the protocol carry, decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom.uid import ImplicitVRLittleEndian

from gateway.datasets.coding import decode
from gateway.dimse.message import decode_message
from gateway.sdk import acse_primitives
from gateway.ul.pdu import decode_pdu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom.dataset import Dataset

    from gateway.dimse.base import Message
    from gateway.sdk.acse_primitives import AcsePrimitive
    from gateway.ul.pdu import PDU

_P_DATA_TF = 0x04
_PDU_HEADER = struct.Struct(">BxL")
_PDV_HEADER = struct.Struct(">LBB")
_PDV_LENGTH = 4


@dataclass(frozen=True)
class DimseMessage:
    """A DIMSE message (PS3.7 6.3): command set and data set."""

    context_id: int
    encoded_command_set: bytes
    encoded_data_set: bytes
    """The data set; only its start if the event is truncated."""

    @cached_property
    def command_set(self) -> Dataset:
        return decode(self.encoded_command_set, ImplicitVRLittleEndian)

    @property
    def data_set(self) -> BytesIO:
        return BytesIO(self.encoded_data_set)

    @cached_property
    def message(self) -> Message:
        """The message as the gateway's own type, as `CStoreRQ`."""
        return decode_message(self.encoded_command_set)


def pdu(payload: Mapping[str, Any]) -> PDU:
    """Return the PDU of a notification; of a truncated P-DATA-TF the PDVs that are there.

    Raises RemoteProtocolError for a truncated PDU of another kind.
    """
    encoded = bytes(payload["pdu"])
    return decode_pdu(_shortened(encoded) if payload.get("truncated") else encoded)


def primitive(payload: Mapping[str, Any]) -> AcsePrimitive:
    return acse_primitives.make(
        payload["primitive"], payload["kind"], bytes(payload.get("pdu") or b"")
    )


def message(payload: Mapping[str, Any]) -> DimseMessage:
    return DimseMessage(
        payload["context_id"], bytes(payload["command_set"]), bytes(payload.get("data_set") or b"")
    )


def _shortened(cut: bytes) -> bytes:
    """Return a truncated P-DATA-TF with lengths that fit what is left (PS3.8 9.3.5)."""
    if cut[:1] != bytes([_P_DATA_TF]):
        return cut
    body = bytearray(cut[_PDU_HEADER.size :])
    at = 0
    while at + _PDV_HEADER.size <= len(body):
        length, *_ = _PDV_HEADER.unpack_from(body, at)
        end = at + _PDV_LENGTH + length
        if end > len(body):
            struct.pack_into(">L", body, at, len(body) - at - _PDV_LENGTH)
            end = len(body)
        at = end
    del body[at:]
    return _PDU_HEADER.pack(_P_DATA_TF, len(body)) + body

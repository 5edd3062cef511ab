"""One message of each kind, with every parameter and with the required ones only."""

from __future__ import annotations

from dataclasses import fields

from gateway.dimse.base import parameters_of
from gateway.dimse.command_elements import BY_KEYWORD, VR
from gateway.dimse.message import MESSAGES, Message

_VALUES = {
    VR.AE: "STORE_SCP",
    VR.AT: (0x00100010, 0x7FE00010),
    VR.LO: "Out of memory",
    VR.UI: "1.2.840.10008.1.1",
    VR.US: 2,
}
_OWN = {
    "AffectedSOPInstanceUID": "1.2.3.4",
    "RequestedSOPInstanceUID": "1.2.3.45",
    "MessageID": 7,
    "MessageIDBeingRespondedTo": 65535,
    "Status": 0xA700,
    "ErrorID": 9,
}


def _sample(kind: type[Message], *, whole: bool) -> Message:
    return kind(
        **{
            p.attribute: _OWN.get(p.keyword, _VALUES[BY_KEYWORD[p.keyword].vr])
            for p in parameters_of(kind)
            if p.required or whole
        }
    )


WHOLE = [_sample(kind, whole=True) for _, kind in sorted(MESSAGES.items())]
BARE = [_sample(kind, whole=False) for _, kind in sorted(MESSAGES.items())]
SAMPLES = WHOLE + [m for m in BARE if m not in WHOLE]


def label(message: Message) -> str:
    present = sum(getattr(message, f.name) is not None for f in fields(message))
    return f"{type(message).__name__}-{present}"


IDS = [label(message) for message in SAMPLES]

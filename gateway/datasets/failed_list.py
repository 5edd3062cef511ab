"""The identifier in the final response to a C-GET or C-MOVE (PS3.4 C.4.2.1.6, C.4.3.1.6)."""

from __future__ import annotations

from gateway.datasets.element_writer import ElementWriter

_FAILED_SOP_INSTANCE_UID_LIST = 0x00080058


def encode_failed_list(uids: list[str], transfer_syntax: str) -> bytes | None:
    """Return a data set of Failed SOP Instance UID List alone (PS3.5 7.1); None without UIDs."""
    if not uids:
        return None
    writer = ElementWriter(transfer_syntax)
    value = "\\".join(uids).encode("ascii", "replace")
    return writer.data_set([writer.element(_FAILED_SOP_INSTANCE_UID_LIST, "UI", value)])

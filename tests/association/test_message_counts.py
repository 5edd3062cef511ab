"""What passed over an association, in counts."""

from __future__ import annotations

from gateway.association.message_counts import UNKNOWN, MessageCounts
from gateway.dimse.command_elements import CommandField


def test_counts_by_command_and_status() -> None:
    counts = MessageCounts()
    counts.performed[CommandField.C_STORE_RQ, 0x0000] += 2
    counts.performed[CommandField.C_STORE_RQ, 0xB007] += 1
    counts.performed[CommandField.C_STORE_RQ, 0xA700] += 4
    counts.performed[CommandField.C_ECHO_RQ, 0x0000] += 1
    counts.performed[UNKNOWN, 0x0211] += 1
    counts.invoked[CommandField.N_EVENT_REPORT_RQ, 0x0000] += 1
    assert counts.messages == 10
    assert counts.instances == 3
    assert counts.statuses() == (
        "unknown:0211=1 C-STORE:0000=2 C-STORE:A700=4 C-STORE:B007=1 C-ECHO:0000=1 "
        ">N-EVENT-REPORT:0000=1"
    )

"""Run a module without the limits of a turn: `unlimited_child.py -P -m MODULE NAME`.

What is in the way of a C-STORE is replaced by what would be there without limits: a read is
processed whole, into one buffer for all; nobody's share of a worker is counted; no data rate is
watched; no instance is stored apart from the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.bench.unhurried_child import replace_all, run_module, take_time

if TYPE_CHECKING:
    from gateway.association.transport import Transport
    from gateway.fabric.acceptor.lease import EventOwner, Member


def _continue(transport: Transport, view: memoryview, position: int) -> None:
    upper, end, now = transport._upper, len(view), transport.last_received
    while position < end:
        position = upper.receive_some(view, position, now)


def _pick(owner: EventOwner, event: str, _asker: str = "") -> Member | None:
    best, most = None, 0
    for member in owner.members:
        free = member.credit - len(member.in_hand) - len(member.unreturned)
        if free > most and member is not owner.reserved and event in member.events:
            best, most = member, free
    return best


def _lift_limits() -> None:
    take_time()
    from gateway.acceptor.places import Places
    from gateway.association import timers, transport, turns
    from gateway.fabric.acceptor.lease import EventOwner
    from gateway.sdk import executor

    def always(*_: Any) -> bool:
        return True

    def never(*_: Any) -> bool:
        return False

    replace_all(
        (turns, "SMALL_READ", turns.READ_SIZE),
        (transport, "SMALL_READ", turns.READ_SIZE + 1),
        (transport.Transport, "_continue", _continue),
        (turns.Turns, "may_begin", always),
        (timers.SilenceTimer, "_is_too_slow", never),
        (EventOwner, "pick", _pick),
        (Places, "find_room", always),
        (executor, "_is_alone", never),
    )


if __name__ == "__main__":
    run_module(_lift_limits)

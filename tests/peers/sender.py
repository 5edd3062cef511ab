"""A storage SCU on plain sockets: prepared bytes out, statuses in, a listener told of both."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.patience import WALL
from tests.peers import wire
from tests.peers.raw import Address, RawPeer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.peers.instances import Instance

PDV_HEADER = 6


@dataclass
class Outcome:
    """The results of one storage SCU."""

    statuses: dict[str, list[int]] = field(default_factory=dict)
    """SOP instance UID to the statuses of its responses."""
    broken: list[str] = field(default_factory=list)
    """Instances that were under way when the association broke."""
    errors: list[str] = field(default_factory=list)

    @property
    def failed(self) -> dict[str, list[int]]:
        return {uid: s for uid, s in self.statuses.items() if s != [0x0000]}


class Listener:
    """Told what is sent and what is answered; the accountant is one."""

    def sending(self, instance: Instance) -> None: ...

    def told(self, uid: str, status: int) -> None: ...


def store_all(
    address: Address,
    instances: Iterable[Instance],
    *,
    listener: Listener | None = None,
    timeout: float = WALL,
    calling: str = "RAWPEER",
) -> Outcome:
    """Send the instances in turn on one association; never raises for what a peer does."""
    outcome, listener = Outcome(), listener or Listener()
    rest = list(instances)
    contexts = {key: 2 * n + 1 for n, key in enumerate(_kinds(rest))}
    current = None
    try:
        with RawPeer(address, timeout=timeout) as peer:
            peer.associate(
                *(wire.context(id_, *key) for key, id_ in contexts.items()), calling=calling
            )
            for number, current in enumerate(rest):
                listener.sending(current)
                id_ = contexts[current.sop_class, current.transfer_syntax]
                response = peer.store(current, number % 65536, context_id=id_)
                outcome.statuses.setdefault(current.uid, []).append(response.status)
                listener.told(current.uid, response.status)
                current = None
            peer.release()
    except (OSError, AssertionError, ValueError) as error:
        outcome.errors.append(f"{type(error).__name__}: {error}")
        if current is not None:
            outcome.broken.append(current.uid)
    return outcome


def _kinds(instances: list[Instance]) -> dict[tuple[str, str], None]:
    return dict.fromkeys((i.sop_class, i.transfer_syntax) for i in instances)


def in_parallel(
    count: int, instances: list[Instance], send: Callable[[list[Instance]], Outcome]
) -> list[Outcome]:
    """Deal the instances out to `count` threads that each `send` their share."""
    outcomes: list[Outcome | None] = [None] * count

    def run(number: int) -> None:
        outcomes[number] = send(instances[number::count])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcome for outcome in outcomes if outcome is not None]


def stream_store(
    peer: RawPeer, uid: str, pieces: Iterator[bytes], *, context_id: int = 1, sop_class=wire.CT
) -> int:
    """C-STORE a data set that is never held as a whole; returns the status."""
    assert peer.accepted is not None
    limit = peer.accepted.maximum_length or 1 << 20
    step = limit - PDV_HEADER
    peer.send(wire.message(context_id, wire.store_rq(uid, 1, sop_class=sop_class)))
    held = b""
    for piece in pieces:
        if held:
            _send_pieces(peer, context_id, held, step)
        held = piece
    _send_pieces(peer, context_id, held, step, last=True)
    return peer.recv_response().status


def _send_pieces(peer: RawPeer, id_: int, data: bytes, step: int, *, last: bool = False) -> None:
    view = memoryview(data)
    for at in range(0, len(view), step):
        part = bytes(view[at : at + step])
        header = 2 if last and at + step >= len(view) else 0
        peer.send(wire.p_data(wire.pdv(id_, header, part)))

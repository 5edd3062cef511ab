"""The acceptor's notifications without sockets."""

from __future__ import annotations

import pytest

from gateway.fabric.acceptor import feed
from gateway.fabric.acceptor.feed import Feed
from gateway.fabric.wire.envelopes import Beacon, Notified, Replay, decode

A = "EVT_RELEASED"


class Bench:
    def __init__(self, limit: int = 1024) -> None:
        self.sent: list[tuple[bytes, bytes]] = []
        self.feed = Feed("s", [A, "EVT_ABORTED"], limit, self.sent.append)

    def replayed(self, first: int, last: int, stream: str = "s") -> tuple[int, list[int]]:
        end, kept = self.feed.replay(Replay(A, stream, first, last))
        seqs = []
        for encoded in kept:
            envelope = decode(encoded)
            assert isinstance(envelope, Notified)
            seqs.append(envelope.seq)
        return end, seqs


def test_a_subscription_is_answered_by_a_beacon() -> None:
    bench = Bench()
    assert bench.feed.subscription(b"\x01EVT_RELEASED\0")
    assert [(t, decode(e)) for t, e in bench.sent] == [(b"EVT_RELEASED\0", Beacon("s", 0))]
    assert bench.feed.wanted == {A}


@pytest.mark.parametrize(
    "frame", [b"", b"\x01", b"\x01EVT", b"\x01EVT_RELEASED", b"\x02EVT_RELEASED\0", b"\x01\xff\0"]
)
def test_what_is_no_subscription(frame: bytes) -> None:
    bench = Bench()
    assert not bench.feed.subscription(frame)
    assert bench.feed.wanted == set()


def test_watchers_are_counted_and_never_below_zero() -> None:
    bench = Bench()
    on, off = b"\x01EVT_RELEASED\0", b"\x00EVT_RELEASED\0"
    assert [bench.feed.subscription(f) for f in (off, on, on, off, off, off, on)] == [
        False,
        True,
        False,
        False,
        True,
        False,
        True,
    ]


def test_replay_gives_what_is_kept() -> None:
    bench = Bench(limit=4)
    for _ in range(10):
        bench.feed.publish(A, {}, b"", 0.0)
    assert bench.replayed(1, 8) == (8, [7, 8])
    assert bench.replayed(9, 99) == (10, [9, 10])
    assert bench.replayed(1, 3) == (3, [])
    assert bench.replayed(8, 9, "other") == (9, [])
    assert bench.replayed(11, 12) == (12, [])


def test_replay_comes_in_parts() -> None:
    bench = Bench()
    for _ in range(600):
        bench.feed.publish(A, {}, b"", 0.0)
    assert bench.replayed(1, 600) == (feed.REPEATS, list(range(1, feed.REPEATS + 1)))


def test_the_ring_is_bounded_in_bytes() -> None:
    bench = Bench()
    for _ in range(100):
        bench.feed.publish(A, {"ballast": b"x" * 60_000}, b"", 0.0)
    end, seqs = bench.replayed(1, 100)
    assert end == 100
    assert 60 < len(seqs) * 60_000 * 100 / feed.RING_BYTES <= 100

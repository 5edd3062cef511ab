"""What it costs to be watched: `watching`.

Instances are stored as fast as they can be, in turn by a gateway that measures nothing and has no
worker `web`, by one that does both, and by one whose pages *Now* and *Associations* are open as
well. Printed is the processor time in user mode that acceptor and storage worker took for each
instance: the median over the rounds, and how much more that is than without; and what the worker
`web` took, which depends on the time and hardly on the instances. The limits are 2 % for the
metrics, and 3 % with pages open; on a busy machine rounds of the same mode differ by more.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import urllib.request
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tests.bench import unmeasured_child
from tests.bench.rows import show
from tests.bench.scratch import scratch
from tests.bench.sending import FIRST, FailedError, Plan, send, sender
from tests.bench.wrapped import wrapped
from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.bench.scratch import Scratch

NAMES = "acceptor-0", "storage-0", "web-0"
MODES = {"nothing": 0.0, "metrics": 0.02, "two pages open": 0.03}
"""The modes, and how much more than in the first one an instance may cost."""
SIZE = 8 * 1024
_OFF = "[workers.web]\nenabled = false\n"
_ON = "[workers.web]\n[web]\nport = 0\n"
_TICK = os.sysconf("SC_CLK_TCK")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench watching", description=__doc__)
    parser.add_argument("--count", type=int, default=4000, help="instances of a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    taken: dict[str, list[Spent]] = defaultdict(list)
    with scratch() as place:
        for _ in range(options.rounds):
            for mode in MODES:
                taken[mode].append(_round(place, mode, options.count))
    each = {mode: median(one.each for one in spent) for mode, spent in taken.items()}
    more = {mode: each[mode] / each["nothing"] - 1 for mode in MODES}
    rows = [
        (
            mode,
            f"{1e6 * each[mode]:,.0f}",
            f"{more[mode]:+.1%}",
            f"{limit:.0%}",
            f"{1e3 * median(one.web for one in taken[mode]):.0f}",
        )
        for mode, limit in MODES.items()
    ]
    title = "User time of acceptor and storage worker for an instance, 8 KB x10"
    show(title, ("watched by", "microseconds", "more", "limit", "web worker, ms a second"), rows)
    if any(more[mode] > limit for mode, limit in MODES.items()):
        sys.exit(1)


class Spent(NamedTuple):
    """The processor time in user mode of one round."""

    each: float
    """Seconds of acceptor and storage worker for each instance."""
    web: float
    """Seconds of the worker `web` in a second."""


def _round(place: Scratch, mode: str, count: int) -> Spent:
    plan = Plan(10, count, WALL, WALL, place.prepared(SIZE))
    plain = [sys.executable]
    bare = [sys.executable, str(Path(unmeasured_child.__file__))]
    is_off = mode == "nothing"
    commands = dict.fromkeys(NAMES[:2], bare) if is_off else dict.fromkeys(NAMES, plain)
    with (
        place.folder() as folder,
        wrapped(folder, commands, _OFF if is_off else _ON, heartbeat=1.0) as gateway,
        ExitStack() as stack,
    ):
        if mode == "two pages open":
            for name in ("now", "associations"):
                stack.enter_context(_looking(gateway.page, name))
        send(gateway.address, Plan(10, count // 10, WALL, WALL, plan.data, FIRST + count))
        with sender(gateway.address, plan) as client:
            before = _user_seconds(gateway.pids)
            outcome = client.run()
            after = _user_seconds(gateway.pids)
        if outcome.acknowledged != count:
            raise FailedError(outcome.reason or "not all was stored")
    acceptor, storage, web = (after.get(name, 0.0) - before.get(name, 0.0) for name in NAMES)
    return Spent((acceptor + storage) / count, web / outcome.seconds)


def _user_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    stats = {name: Path(f"/proc/{pid}/stat").read_text() for name, pid in pids.items()}
    return {name: int(text.rpartition(")")[2].split()[11]) / _TICK for name, text in stats.items()}


@contextmanager
def _looking(page: str, name: str) -> Iterator[None]:
    """Read the stream of a page, as a browser does."""
    where, _, token = page.partition("/?token=")
    cookie = {"Cookie": f"dicom_gateway_token={token}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{where}/live/{name}", headers=cookie), timeout=WALL
    ) as stream:
        reading = threading.Thread(target=_drain, args=(stream,), daemon=True)
        reading.start()
        yield
    reading.join(WALL)


def _drain(stream) -> None:
    try:
        for _ in stream:
            pass
    except (OSError, ValueError, AttributeError):  # closed
        return


if __name__ == "__main__":
    main()

"""The facade beside pynetdicom, in one run: `python -m tests.bench facade`.

The server and its handler run in this process, as users have them. The sender is a process of its
own: prepared bytes for C-STORE (8 KB and 512 KB, 10 associations at once, one instance at a time on
each), the server's own library for C-ECHO round trips. Rounds alternate; medians are shown.
Only figures come out of it: nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import subprocess
import sys
import time

from tests.bench.scratch import scratch
from tests.bench.sending import measure
from tests.interop.both import CT, ECHO, HOST

LIBRARIES = ("pynetdicom", "gateway")
SIZES = {"8 KB": 8 * 1024, "512 KB": 512 * 1024}


def store(port: int, associations: int, count: int, size: int) -> float:
    """Instances a second."""
    with scratch() as place:
        return measure((HOST, port), associations, associations * count, place.prepared(size))


def echo(library: str, port: int, count: int) -> float:
    """Milliseconds of a round trip, the median."""
    ae = importlib.import_module(library).AE()
    ae.add_requested_context(ECHO)
    assoc = ae.associate(HOST, port)
    trips = []
    for _ in range(count):
        begun = time.perf_counter()
        assoc.send_c_echo()
        trips.append(time.perf_counter() - begun)
    assoc.release()
    return statistics.median(trips) * 1000


def echo_apart(library: str, port: int, count: int) -> float:
    """`echo` in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.facade", "--echo", library, str(port), str(count)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def one_round(library: str, associations: int, count: int) -> dict[str, float]:
    lib = importlib.import_module(library)
    ae = lib.AE()
    ae.maximum_associations = 100
    ae.add_supported_context(ECHO)
    ae.add_supported_context(CT)
    handlers = [(lib.evt.EVT_C_STORE, lambda event: 0x0000)]
    begun = time.perf_counter()
    server = ae.start_server((HOST, 0), block=False, evt_handlers=handlers)
    started = time.perf_counter() - begun
    port = server.server_address[1]
    try:
        return {
            "server start, ms": started * 1000,
            **{
                f"C-STORE {name}, 1/s": store(port, associations, count, size)
                for name, size in SIZES.items()
            },
            "C-ECHO round trip, ms": echo_apart(library, port, 300),
        }
    finally:
        server.shutdown()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench facade", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--associations", type=int, default=10)
    parser.add_argument("--count", type=int, default=40, help="instances on each association")
    parser.add_argument("--echo", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.echo:
        library, port, count = given.echo
        print(echo(library, int(port), int(count)))
        return
    rounds: dict[str, list[dict[str, float]]] = {library: [] for library in LIBRARIES}
    for _ in range(given.rounds):
        for library in LIBRARIES:
            rounds[library].append(one_round(library, given.associations, given.count))
    for figure in rounds["gateway"][0]:
        theirs, ours = (
            statistics.median(one[figure] for one in rounds[library]) for library in LIBRARIES
        )
        print(f"{figure:24} pynetdicom {theirs:8.2f}  gateway {ours:8.2f}  {ours / theirs:6.2f}x")


if __name__ == "__main__":
    main()

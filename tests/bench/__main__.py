"""Benchmarks by name: `python -m tests.bench NAME [OPTION...]`; `--help` lists the options."""

from __future__ import annotations

import sys

from tests.bench import find, find_million, peers, programs

BENCHES = {
    "find": find.main,
    "find-million": find_million.main,
    "peers": peers.main,
    "sink": programs.sink,
}


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in BENCHES:
        sys.exit(f"python -m tests.bench {{{','.join(BENCHES)}}} [OPTION...]")
    BENCHES[arguments[0]](arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])

"""Benchmarks by name: `python -m tests.bench NAME [OPTION...]`; `--help` lists the options."""

from __future__ import annotations

import sys

from tests.bench import (
    acceptors,
    append_file,
    associations,
    convert,
    cost,
    dicomweb,
    echo,
    fabric_hosts,
    facade,
    find,
    find_million,
    forward,
    growth,
    hosts,
    idle,
    index,
    page,
    peers,
    programs,
    reindex,
    retrieve,
    transcode,
    watching,
    with_index,
)
from tests.bench.scratch import wait_for_speed


def document(arguments: list[str]) -> None:
    """Measure again what README.md shows of receiving and of giving back, and write it there."""
    peers.main(["--document", *arguments])
    retrieve.main(["--document", "--acceptors", "2", *arguments])


BENCHES = {
    "acceptors": acceptors.main,
    "append-file": append_file.main,
    "associations": associations.main,
    "convert": convert.main,
    "cost": cost.main,
    "dicomweb": dicomweb.main,
    "document": document,
    "echo": echo.main,
    "fabric": fabric_hosts.main,
    "facade": facade.main,
    "find": find.main,
    "find-million": find_million.main,
    "forward": forward.main,
    "growth": growth.main,
    "hosts": hosts.main,
    "idle": idle.main,
    "index": index.main,
    "page": page.main,
    "peers": peers.main,
    "reindex": reindex.main,
    "retrieve": retrieve.main,
    "sink": programs.sink,
    "transcode": transcode.main,
    "watching": watching.main,
    "with-index": with_index.main,
}

MAKE_FILES = {
    *(
        "acceptors",
        "append-file",
        "dicomweb",
        "document",
        "echo",
        "facade",
        "forward",
        "growth",
        "hosts",
    ),
    *("index", "peers", "retrieve", "watching", "with-index"),
}
"""Those whose rates depend on how fast the file system makes files."""


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in BENCHES:
        sys.exit(f"python -m tests.bench {{{','.join(BENCHES)}}} [OPTION...]")
    if arguments[0] in MAKE_FILES and not {"-h", "--help", "--read"} & set(arguments):
        wait_for_speed()
    try:
        BENCHES[arguments[0]](arguments[1:])
    except programs.AbsentError as absent:
        sys.exit(f"cannot measure: {absent}")


if __name__ == "__main__":
    main(sys.argv[1:])

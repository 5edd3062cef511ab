"""What dies comes back, what hangs is replaced, what is missing is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults import database, healing, hosts, shortage
from tests.faults.row import BrokenPromise, Result, Row
from tests.faults.shared_start import shared_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.row import Options


def row(name: str, promise: str, fault: str, make: Callable[[], str]) -> Row:
    return _row_with(name, promise, fault, lambda _options: make())


def _row_with(name: str, promise: str, fault: str, make: Callable[[Options], str]) -> Row:
    def run(options: Options) -> Result:
        try:
            return Result(ok=True, runs=1, text=make(options))
        except healing.Skipped as reason:
            return Result(ok=None, runs=0, text=str(reason))
        except (BrokenPromise, AssertionError) as broken:
            return Result(ok=False, runs=1, text=str(broken))

    return Row(name, promise, fault, run)


ROWS = [
    *(
        row(
            f"stopped-{child}",
            "P10",
            f"SIGSTOP of {child}: silent for hang_timeout",
            lambda child=child: healing.stopped(f"{child}-0"),
        )
        for child in ("acceptor", "storage", "query", "retrieve")
    ),
    row("paused", "P10", "the supervisor is paused for longer than hang_timeout", healing.paused),
    row("swap", "P10", "a worker takes over and leaves (SIGTERM)", healing.swapped),
    row(
        "swap-killed",
        "P10",
        "a worker takes over and is killed with its launcher",
        lambda: healing.swapped(kill=True),
    ),
    row("unmounted", "P11", "the archive's volume comes after the start", healing.guard_missing),
    *(
        row(
            f"deleted-{name}",
            "P11",
            f"{what} is deleted under way",
            lambda what=what: healing.taken_away(what),
        )
        for name, what in (("index", "archive/index.sqlite"), ("run", "run"), ("spool", "spool"))
    ),
    row(
        "full-start",
        "P11",
        "the disk is full at the start (root)",
        shortage.full_disk,
    ),
    row(
        "inodes-start",
        "P11",
        "no file can be made at the start (root)",
        shortage.no_inodes,
    ),
    row(
        "full-reindex",
        "P11",
        "a reindex on a full disk (root)",
        shortage.failed_reindex,
    ),
    *(
        row(
            f"no-descriptors-{child}",
            "P4 P11",
            f"{child} can open nothing for 5 s under load",
            lambda child=child: shortage.descriptors(f"{child}-0"),
        )
        for child in ("acceptor", "storage", "query")
    ),
    *(
        row(
            f"no-memory-{child}",
            "P4 P11",
            f"{child} gets no memory and no thread for 5 s under load",
            lambda child=child: shortage.memory(f"{child}-0"),
        )
        for child in ("acceptor", "storage", "query")
    ),
    row("unread-log", "P4", "nobody reads the log under load", shortage.unread_log),
    row("database-late", "P11", "PostgreSQL comes after the start", database.late),
    row(
        "database-stopped",
        "P11",
        "PostgreSQL is stopped, storage killed, PostgreSQL comes back",
        database.stopped,
    ),
    row("database-paused", "P11", "PostgreSQL does not answer", database.paused),
    row(
        "database-restarted",
        "P4 P11",
        "PostgreSQL is away for 6 s under load",
        database.restarted,
    ),
    row("database-away", "P11", "PostgreSQL stays away", database.away),
    row(
        "frozen-host",
        "P11",
        "SIGSTOP of a storage worker in its transaction; another host shares the index",
        hosts.frozen,
    ),
    _row_with(
        "shared-start",
        "P11",
        "a shared archive has --foreign files of another host at the start",
        lambda options: shared_start(options.foreign),
    ),
    row("damaged-index", "P11", "the index is damaged at the start", healing.damaged_index),
    row("exit-2", "P10", "a handler calls os._exit(2)", healing.exits_with_2),
]

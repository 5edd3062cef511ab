"""The common part of small benches: a server in a scratch folder, and rows of figures."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.bench.scratch import scratch
from tests.bench.servers import gateway

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.scratch import Scratch
    from tests.bench.servers import Running, Server

WIDTH = 110


@contextmanager
def gateway_of(config: str = "") -> Iterator[tuple[Running, Scratch]]:
    """This gateway with a configuration, and the place for what is sent to it."""
    with scratch() as place, place.folder() as folder, gateway(folder, config) as running:
        yield running, place


@contextmanager
def started(server: Server) -> Iterator[tuple[Running, Scratch]]:
    with scratch() as place, place.folder() as folder, server.start(folder) as running:
        yield running, place


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column is words, the others are figures."""
    table = Table(title=title)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=WIDTH).print(table)

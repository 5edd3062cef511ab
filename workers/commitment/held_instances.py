"""What is asked about stays in the archive until the peer has the report."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from workers.archive.index.records import IndexFailure
from workers.archive.received_uids import by_received_uid
from workers.commitment.report import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from workers.archive.index import Index
    from workers.commitment.report import Report
    from workers.commitment.transactions import Transaction

log = logging.getLogger("workers.commitment")


class HeldInstances:
    """Holds the instances of open transactions; `owner` names this gateway's commitment."""

    def __init__(self, index: Index, owner: str) -> None:
        self._index = index
        self._owner = owner
        self._held: set[str] = set()

    def keep_only(self, names: Collection[str]) -> None:
        """Let go of what was held for transactions that are over; raises IndexFailure."""
        wanted = {self._name(name) for name in names}
        for held in self._index.hold_names(f"{self._owner} "):
            if held not in wanted:
                self._index.let_go(held)

    def then(self, report: Callable[[Transaction], Report]) -> Callable[[Transaction], Report]:
        """Return `report` as it is made while the instances are held."""

        def holding(transaction: Transaction) -> Report:
            if transaction.name not in self._held:
                self._index.hold(self._name(transaction.name), self._kept(transaction))
                self._held.add(transaction.name)
            return report(transaction)

        return holding

    def _kept(self, transaction: Transaction) -> Iterator[str]:
        """Yield the UIDs under which the instances are kept, or will be."""
        uids = [uid for _, uid in transaction.references]
        for begin in range(0, len(uids), PAGE):
            some = uids[begin : begin + PAGE]
            found = by_received_uid(self._index, some)
            yield from (found[uid].sop_instance_uid if uid in found else uid for uid in some)

    def let_go(self, name: str) -> None:
        """Let go of the instances of a transaction; what fails is done at the next start."""
        self._held.discard(name)
        try:
            self._index.let_go(self._name(name))
        except IndexFailure as error:
            log.warning("transaction=%s its instances are still held: %s", name, error)

    def _name(self, name: str) -> str:
        return f"{self._owner} {name}"

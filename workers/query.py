"""The query worker: answers C-FIND from the index (PS3.4 annex C)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.sdk import DatasetError, GatewayError, Worker, evt, status, status_with_comment
from workers.archive.extended_negotiation import Agreed, answers
from workers.archive.identifier import MODELS, FindQuery, Model, find_query, not_understood
from workers.archive.in_batches import in_batches
from workers.archive.indexed_worker import IndexedWorker
from workers.archive.match_writer import MatchWriter
from workers.archive.matching import BadIdentifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

    from gateway.sdk import Event

log = logging.getLogger("workers.query")

worker = Worker("query", concurrency=8)


class Finder(IndexedWorker):
    """The handlers of the query worker."""

    def start(self) -> None:
        """Open the index, and answer extended negotiation if the settings say so."""
        super().start()
        if self.settings.relational or self.settings.combined:
            worker.bind(evt.EVT_SOP_EXTENDED, self.extended)

    def find(self, event: Event) -> Iterator[tuple[int | Dataset, list[bytes] | None]]:
        """Yield lists of matches, each of which is a pending response."""
        index = self.index
        try:
            request = self._parse(event)
        except BadIdentifier as error:
            yield status_with_comment(status.DATA_SET_DOES_NOT_MATCH, str(error), error.tag), None
            return
        except DatasetError as error:
            log.warning("association=%s C-FIND refused: %s", event.assoc_name, error)
            yield not_understood(error), None
            return
        title, syntax = self._title(event), event.context.transfer_syntax
        write = MatchWriter(request, title, syntax).write
        pending = status.PENDING_WARNING if request.is_partial else status.PENDING
        try:
            for matches in in_batches(map(write, index.search(request.query))):
                if event.is_cancelled:
                    yield status.CANCEL, None
                    return
                yield pending, matches
        except GatewayError as error:
            log.error("association=%s C-FIND failed: %s", event.assoc_name, error)  # noqa: TRY400 - a traceback adds nothing
            yield status_with_comment(status.OUT_OF_RESOURCES, str(error)), None

    def extended(self, event: Event) -> dict[str, bytes]:
        """Return what is accepted in SOP class extended negotiation."""
        app_info: dict[str, bytes] = getattr(event, "app_info")  # noqa: B009 - of this event alone
        return answers(self.settings, app_info)

    def _title(self, event: Event) -> str:
        """Return the AE title from which the peer can retrieve what matches.

        Each of the gateways that share an index gives back everything, so it is the one that was
        called: perhaps that of a balancer.
        """
        called = event.assoc.acceptor.ae_title if self.index.names_holders else ""
        return called.strip() or event.assoc.ae.ae_title

    def _parse(self, event: Event) -> FindQuery:
        sop_class = str(event.request.AffectedSOPClassUID)
        agreed = Agreed.of(sop_class, event.assoc.acceptor.sop_class_extended)
        return find_query(
            event.identifier,
            Model.of(sop_class),
            relational=agreed.relational,
            combined=agreed.combined,
        )


finder = Finder(worker)
worker.on_start(finder.start)
worker.on_stop(finder.stop)
worker.bind(evt.EVT_C_FIND, finder.find, sop_classes=[f"{root}1" for root in MODELS])

"""The query worker: answers C-FIND (PS3.4 annex C) from the index, page by page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets.validation import disable_validation
from gateway.sdk import GatewayError, Worker, evt, status, status_with_comment
from workers.archive.attributes import BY_KEYWORD
from workers.archive.extended_negotiation import Agreed, answers
from workers.archive.identifier import Asked, Model, Unfit, find_query
from workers.archive.opening import open_index
from workers.archive.settings import ArchiveSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.sdk import Event
    from workers.archive.index import Index

log = logging.getLogger("workers.query")

UTF_8 = "ISO_IR 192"
ONLINE = "ONLINE"

worker = Worker("query", concurrency=8)


class Finder:
    """What the handler works with from the worker's start to its end."""

    def __init__(self) -> None:
        self._index: Index | None = None
        self._settings = ArchiveSettings()

    def start(self) -> None:
        """Open the index; raises ConfigError."""
        disable_validation()
        self._settings = ArchiveSettings.of(worker.context.options)
        self._index = open_index(
            worker.context.data_dir, self._settings, durable=worker.context.durable
        )
        if self._settings.relational or self._settings.combined:
            worker.bind(evt.EVT_SOP_EXTENDED, self.extended)

    def stop(self) -> None:
        """Close the index."""
        if self._index is not None:
            self._index.close()
            self._index = None

    def find(self, event: Event) -> Iterator[tuple[int | Dataset, Dataset | None]]:
        """One pending response for each entity of the level that matches."""
        index = self._index
        if index is None:
            raise RuntimeError("the query worker is not started")
        try:
            asked = self._understood(event, index)
        except Unfit as error:
            yield _failure(status.DATA_SET_DOES_NOT_MATCH, error), None
            return
        title = event.assoc.ae.ae_title
        pending = status.PENDING_WARNING if asked.is_partial else status.PENDING
        try:
            for row in index.search(asked.query):
                if event.is_cancelled:
                    yield status.CANCEL, None
                    return
                yield pending, _match(asked, row, title)
        except GatewayError as error:
            log.error("association=%s C-FIND failed: %s", event.assoc_id, error)  # noqa: TRY400 - says it all
            yield _failure(status.OUT_OF_RESOURCES, error), None

    def extended(self, event: Event) -> dict[str, bytes]:
        """What is agreed to of the extended negotiation."""
        app_info: dict[str, bytes] = getattr(event, "app_info")  # noqa: B009 - of this event alone
        return answers(self._settings, app_info)

    def _understood(self, event: Event, index: Index) -> Asked:
        sop_class = str(event.request.AffectedSOPClassUID)
        agreed = Agreed.of(sop_class, event.assoc.acceptor.sop_class_extended)
        return find_query(
            event.identifier,
            Model.of(sop_class),
            relational=agreed.relational,
            combined=agreed.combined,
            with_holders=index.names_holders,
        )


def _failure(code: int, error: Exception) -> Dataset:
    offending = (error.tag,) if isinstance(error, Unfit) else ()
    return status_with_comment(code, str(error), *offending)


def _match(asked: Asked, row: tuple[Any, ...], title: str) -> Dataset:
    """The identifier of a response (PS3.4 C.4.1.1.3.2)."""
    found = Dataset()
    found.QueryRetrieveLevel = asked.query.level.name
    texts = dict(zip(asked.keywords, row, strict=False))
    for keyword, value in texts.items():
        setattr(found, keyword, _value(keyword, value))
    if "RetrieveAETitle" in asked.extra:
        titles = str(row[-1] or "").split("\\") if asked.query.holders else [title]
        found.RetrieveAETitle = titles if len(titles) > 1 else titles[0]
    if "InstanceAvailability" in asked.extra:
        found.InstanceAvailability = ONLINE
    if not all(str(value or "").isascii() for value in texts.values()):
        found.SpecificCharacterSet = UTF_8
    return found


def _value(keyword: str, value: Any) -> Any:
    if value is None:
        return None if _is_number(keyword) else ""
    if keyword in BY_KEYWORD:
        return int(value) if BY_KEYWORD[keyword].vr == "US" and str(value).isdigit() else value
    return value.split("\\") if isinstance(value, str) and "\\" in value else value


def _is_number(keyword: str) -> bool:
    return keyword in BY_KEYWORD and BY_KEYWORD[keyword].vr in ("US", "IS")


finder = Finder()
worker.on_start(finder.start)
worker.on_stop(finder.stop)
worker.bind(evt.EVT_C_FIND, finder.find, redeliver=False)

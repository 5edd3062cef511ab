"""The worker that tells when a study is complete.

It is not started until the configuration has a table for it:

    [workers.complete]
    options = {quiet = 60}

A completion is a line of the journal of the index, of the kind `complete`: durable, once for each
completion on all gateways that share the index, and again when something arrives later.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError, Worker, evt
from workers.archive.attributes import Level
from workers.archive.gateways import identity_of
from workers.archive.index.interface import one_of
from workers.archive.index.notes import COMPLETE, StudyNote
from workers.archive.index.records import IndexFailure
from workers.archive.index.search import Query
from workers.archive.indexed_worker import IndexedWorker
from workers.archive.layout import FOLDER as ARCHIVE
from workers.archive.procedure_steps import NOTES, StepTable
from workers.archive.worker_options import options_of
from workers.complete.completion import QUIET, Completion, StudyPart
from workers.complete.deliverer import LOOK, Deliverer
from workers.complete.expected import Expected
from workers.complete.journal_cursor import JournalCursor
from workers.complete.nats_stream import NatsStream
from workers.complete.receiver_cursor import ReceiverCursor
from workers.complete.receiver_measures import measure
from workers.complete.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.archive.index.records import JournalEntry
    from workers.complete.deliverer import LineReceiver

FOLDER = "complete"
"""The folder of the worker, in the data directory."""

_COMPLETIONS = (
    "dicom_gateway_completions_total",
    "Studies and series that this gateway told complete, by what told so.",
    *("level", "reason"),
)

log = logging.getLogger("workers.complete")

worker = Worker("complete", concurrency=1)


@dataclass(frozen=True, slots=True)
class CompleteOptions:
    """The options of `[workers.complete]`."""

    quiet: float = 60.0
    """Seconds without an arrival after which a study is complete."""
    series: bool = False
    """Tell of each series as well."""
    counts: bool = True
    """Tell at once when a study has as many instances as (0020,1208) says, a series (0020,1209)."""
    mpps: bool = True
    """Tell at once when all is there that the performed procedure steps list."""
    keep_for: float = 259_200.0
    """Seconds for which a line is tried at a receiver that does not take it: 3 days."""
    webhooks: tuple[dict[str, Any], ...] = ()
    """Tables with `url`, `secret_file`, `kinds` and `ca`."""
    nats: dict[str, Any] | None = None
    """A table with `servers`, `stream`, `subject`, `kinds` and `credentials`."""


class Completer(IndexedWorker):
    """Reads the journal, in a thread of its own, and tells what is complete."""

    _expected: Expected
    _completion: Completion
    _thread: threading.Thread | None = None
    _deliverers: tuple[Deliverer, ...] = ()

    def open(self) -> None:
        """Open the index and begin; raises ConfigError, or Unavailable and can be called again."""
        context = worker.context
        self._options = options = options_of(CompleteOptions, context.options, "complete")
        receivers = receivers_of(options)
        super().start()
        holder = self.settings.holder_of_files
        folder = context.data_dir / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cursor = JournalCursor(folder / "studies.json")
        self._completion = Completion(options.quiet, options.series)
        self._expected = Expected(
            self.index,
            context.data_dir.absolute() / ARCHIVE,
            holder,
            StepTable(self.index),
            options.counts,
            options.mpps,
        )
        self._completion.position = self._cursor.load(self.index)
        self._over = threading.Event()
        owner = f"{identity_of(context.data_dir)}/{context.member}"
        self._deliverers = tuple(
            Deliverer(
                *(self.index, one, ReceiverCursor(self.index, one.name, owner)),
                options.keep_for,
                self._enrich,
            )
            for one in receivers
        )
        for one in self._deliverers:
            one.cursor.take()  # what is told begins here
            one.start()
        measure(context.metrics, self._deliverers)
        self._thread = threading.Thread(target=self._work, name="complete", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the transaction under way, and close the index."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None
        for one in self._deliverers:
            one.stop()
        self._deliverers = ()
        super().stop()

    def _work(self) -> None:
        is_loaded = False
        while not self._over.is_set():
            trouble = ""
            try:
                if not is_loaded:
                    self._expected.load()
                    is_loaded = True
                self.step(time.time())
            except (IndexFailure, OSError) as error:
                trouble = str(error)
                log.warning("studies cannot be told complete: %s", error)
            except Exception:  # a bug must not end the thread: it is told, and tried again
                trouble = "studies cannot be told complete: see the log"
                log.exception("studies cannot be told complete")
            self._show(trouble)
            self._over.wait(LOOK)

    def step(self, now: float) -> None:
        """Read what is new in the journal, and tell what is complete at `now`.

        Raises IndexFailure, or OSError if the position cannot be kept.
        """
        completion = self._completion
        while lines := self.index.journal(completion.position):
            completion.read(lines, now)
            for line in lines:
                if line.kind in NOTES.values():
                    self._expected.note(line.study_instance_uid, line.entry.sop_instance_uid)
                    completion.look_again(line.study_instance_uid)
        for part in completion.due(now):
            self._tell(part, QUIET)
        for part, known in completion.changed():
            if why := self._expected.why_complete(part, known.entry):
                self._tell(part, why)
        self._cursor.save(completion.cursor)

    def _tell(self, part: StudyPart, why: str) -> None:
        """Add the line; the next reading of the journal closes the part."""
        holder = self.settings.holder_of_files
        note = StudyNote(COMPLETE, part.study, part.series, reason=why, holder=holder)
        if self.index.complete(note, self._completion.position):
            log.info("study=%s series=%s complete: %s", part.study, part.series or "all", why)
            worker.context.metrics.counter(*_COMPLETIONS).add(
                1, "series" if part.series else "study", why
            )
            worker.context.publish(
                evt.EVT_STUDY_COMPLETE,
                {
                    "study_instance_uid": part.study,
                    "series_instance_uid": part.series,
                    "reason": why,
                },
            )

    def _enrich(self, line: JournalEntry, message: dict[str, Any]) -> None:
        """Add the reason and the number of instances to the message of a completion."""
        if line.kind != COMPLETE:
            return
        conditions = [one_of(Level.STUDY, "study_instance_uid", [line.study_instance_uid])]
        if line.series_instance_uid:
            series = [line.series_instance_uid]
            conditions.append(one_of(Level.SERIES, "series_instance_uid", series))
        message["reason"] = line.entry.path
        message["instances"] = self.index.count(Query(Level.IMAGE, conditions=tuple(conditions)))

    def _show(self, trouble: str) -> None:
        """Let `dicom-gateway status` show what is open, and which receiver takes nothing."""
        context = worker.context
        context.facts["complete"] = {
            "open": len(self._completion.open),
            "receivers": {
                one.receiver.name: {
                    "sent": one.sent,
                    "left_out": one.left_out,
                    "is_telling": one.is_telling,
                }
                for one in self._deliverers
            },
        }
        told = {"complete": trouble}
        told |= {one.receiver.name: one.trouble for one in self._deliverers}
        for name, text in told.items():
            if text:
                context.troubles[name] = text
            else:
                context.troubles.pop(name, None)


def receivers_of(options: CompleteOptions) -> list[LineReceiver]:
    """Return the receivers that the options name; raises ConfigError."""
    receivers: list[LineReceiver] = []
    for table in options.webhooks:
        if not isinstance(table, dict):
            raise ConfigError("complete: webhooks must be a list of tables with url, secret_file")
        receivers.append(Webhook.of(table))
    if options.nats is not None:
        receivers.append(NatsStream.of(options.nats))
    names = [one.name for one in receivers]
    if len(set(names)) < len(names):
        raise ConfigError("complete: two webhooks have the same url")
    return receivers


def check_options(options: Mapping[str, Any], _destinations: Collection[str]) -> None:
    """Raise ConfigError for an option that is wrong."""
    receivers_of(options_of(CompleteOptions, options, "complete"))


completer = Completer(worker)
worker.on_start(completer.open)
worker.on_stop(completer.close)

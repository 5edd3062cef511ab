"""The audit worker: it watches, and writes who did what with whose instances (PS3.15 A.5).

It answers no event, so that no request waits for it. What arrived, was replaced or deleted comes
from the journal of the index, which loses nothing; the rest from notifications. A loss of these is
recorded as well.
"""

from __future__ import annotations

import logging
import math
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError, GatewayError, Worker, evt
from gateway.tls import client_context
from workers.archive.layout import FOLDER as ARCHIVE
from workers.archive.opening import archive_settings, open_index
from workers.audit import codes
from workers.audit.arrivals import Arrivals, monotonic
from workers.audit.associations import Associations
from workers.audit.audit_message import AuditSource
from workers.audit.audit_options import AuditOptions
from workers.audit.audit_recorder import AuditRecorder
from workers.audit.audited import application_activity, security_alert
from workers.audit.codes import EventOutcome
from workers.audit.instance_messages import Surroundings, message_of
from workers.audit.state import AuditState, parent_process
from workers.audit.subjects import Subjects
from workers.audit.syslog import SyslogSender
from workers.audit.trail import Trail

if TYPE_CHECKING:
    from gateway.sdk import Event
    from workers.archive.index import Index

log = logging.getLogger("workers.audit")

worker = Worker("audit", concurrency=1)

PERIOD = 1.0
"""Seconds between two looks at the journal."""
STATUS_EVERY = 10
"""Periods between two looks at the revision of the configuration."""
LAST = 3.0
"""Seconds that the last messages have to reach the syslog server."""


class Auditor:
    """The state of the worker from its start to its stop."""

    def __init__(self) -> None:
        self._leave = threading.Event()
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._sender: SyslogSender | None = None
        self._revision: int | None = None
        self.associations: Associations | None = None

    def start(self) -> None:
        """Open the trail and record the start; raises ConfigError for a wrong option."""
        context = worker.context
        if context.member:
            raise ConfigError("audit: workers.audit.processes must be 1: the trail has one writer")
        options = AuditOptions.of(context.options)
        self._archive = archive_settings(context.options)
        self._folder = folder = options.place(context.data_dir)
        try:
            self._trail = trail = Trail(
                folder,
                rotate_at=options.rotate_at,
                keep=options.keep,
                durable=context.durable,
                sends=bool(options.syslog),
            )
        except OSError as error:
            raise ConfigError(f"audit: cannot write in {folder}: {error.strerror}") from None
        source = AuditSource(options.source_id(), options.site)
        self._recorder = recorder = AuditRecorder(trail, source, context.troubles)
        self._subjects = Subjects()
        self._arrivals = Arrivals(
            self._archive.holder_of_files,
            is_shared=self._archive.shared and bool(self._archive.dsn),
        )
        self.associations = Associations(
            recorder, self._arrivals, self._subjects, self._open_index, context.destination
        )
        self._state = AuditState.read(folder)
        self._arrivals.position = self._state.position
        with suppress(GatewayError):  # told by the next look
            self._open_index()
        self._record_start()
        self._start_sending(options)
        self._thread = threading.Thread(target=self._follow, name="journal", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Record what is known and the stop, and send it."""
        if self.associations is None:
            return
        self._leave.set()
        self._thread.join()
        self._look(at_stop=True)
        kind = codes.APPLICATION_STOP
        if self._status().get("state", "stopping") == "stopping":
            self._recorder.record(application_activity(kind, self._recorder.own))
        else:
            text = "the worker audit stops, the gateway goes on"
            self._recorder.record(
                security_alert(
                    codes.RECORDING_STOPPED, self._recorder.own, text, EventOutcome.SUCCESS
                )
            )
        if self._sender is not None:
            self._sender.stop(LAST)
        self._trail.close()
        if self._index is not None:
            self._index.close()

    # notifications

    def notified(self, event: Event) -> None:
        """Take a notification about an association, an operation or an instance."""
        assert self.associations is not None
        with self._lock:
            self.associations.take(event)

    def lost(self, event: Event) -> None:
        """Record that notifications did not arrive."""
        told: Any = event
        number = told.last - told.first + 1
        with self._lock:
            self._recorder.alert_of_loss(f"{number} notifications of {told.topic} were lost")

    # parts

    def _start_sending(self, options: AuditOptions) -> None:
        if not options.syslog:
            return
        context = client_context(options.certificate, options.key, options.ca)
        self._sender = SyslogSender(self._trail, options.address(), context, self._tell_syslog)
        self._sender.start()

    def _tell_syslog(self, text: str) -> None:
        troubles = worker.context.troubles
        if text and troubles.get("syslog") != text:
            log.warning("%s; messages wait in %s", text, self._folder)
        if text:
            troubles["syslog"] = text
        elif troubles.pop("syslog", None):
            log.info("messages are sent to the syslog server again")

    def _record_start(self) -> None:
        status, own = self._status(), self._recorder
        own.name(str(status.get("ae_title", "")))
        self._revision = status.get("revision")
        process = parent_process()
        if process != self._state.process:
            own.record(application_activity(codes.APPLICATION_START, own.own))
        else:
            text = "the worker audit has started again, the gateway ran on"
            own.record(security_alert(codes.RECORDING_STARTED, own.own, text, EventOutcome.SUCCESS))
        self._state.process = process
        self._keep_state()

    def _status(self) -> dict[str, Any]:
        try:
            return worker.context.gateway_status()
        except GatewayError:
            return {}

    def _follow(self) -> None:
        count = 0
        while not self._leave.wait(PERIOD):
            count += 1
            self._look()
            if count % STATUS_EVERY == 0:
                self._look_at_revision()

    def _look_at_revision(self) -> None:
        revision = self._status().get("revision")
        if revision is None or revision == self._revision:
            return
        text = f"revision {revision} of the configuration is in force"
        if self._revision is not None:
            own, kind = self._recorder.own, codes.SECURITY_CONFIGURATION
            self._recorder.record(security_alert(kind, own, text, EventOutcome.SUCCESS))
        self._revision = revision

    def _look(self, *, at_stop: bool = False) -> None:
        """Read the journal, and record what is complete."""
        assert self.associations is not None
        try:
            index = self._open_index()
            if index is not None:
                self._read(index, at_stop=at_stop)
            worker.context.troubles.pop("index", None)
        except GatewayError as error:
            worker.context.troubles["index"] = str(error)
        with self._lock:
            self.associations.turn(monotonic()[0])
            self._recorder.settle()
        self._keep_state()
        worker.context.facts["audit"] = {
            "written": self._recorder.written,
            "lost": self._recorder.lost,
            "file": str(self._trail.path),
        }

    def _read(self, index: Index, *, at_stop: bool) -> None:
        arrivals = self._arrivals
        at_end = False
        while not at_end:
            lines = index.journal(arrivals.position)
            now, wall = monotonic()
            with self._lock:
                wall = math.inf if at_stop else wall  # no sender is waited for any more
                at_end = not arrivals.read(lines, now, wall) or not lines
                is_complete = not lines
        with self._lock:
            groups = list(arrivals.due(now, at_end=is_complete, everything=at_stop))
        known = Surroundings(index, self._subjects, self._recorder.own, worker.context.destination)
        for group in groups:
            self._recorder.record(message_of(group, known))

    def _open_index(self) -> Index | None:
        """Return the index; None if there is none yet. Raises GatewayError."""
        data_dir, arrivals = worker.context.data_dir, self._arrivals
        if self._index is None:
            if not self._archive.dsn and not (data_dir / ARCHIVE).exists():
                arrivals.position = max(arrivals.position, 0)
                return None
            self._index = open_index(data_dir, self._archive, durable=False)
        if arrivals.position < 0:  # a first start: what there is already is no news
            arrivals.position = self._index.end_of_journal()
        return self._index

    def _keep_state(self) -> None:
        if (told := self._arrivals.told) != self._state.position or not self._state.process:
            self._state.position = told
        try:
            self._state.write(self._folder)
        except OSError as error:
            log.warning("the state of the audit worker cannot be written: %s", error.strerror)


auditor = Auditor()
worker.on_start(auditor.start)
worker.on_stop(auditor.stop)
for watched in (
    evt.EVT_ESTABLISHED,
    evt.EVT_REJECTED,
    evt.EVT_ASSOCIATION_ENDED,
    evt.EVT_OPERATION_BEGUN,
    evt.EVT_OPERATION_ENDED,
    evt.EVT_TLS_FAILED,
    evt.EVT_INSTANCE_STORED,
    evt.EVT_INSTANCE_CONFLICT,
):
    worker.bind(watched, auditor.notified)
worker.bind(evt.EVT_GAP, auditor.lost)

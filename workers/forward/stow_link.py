"""A way to a DICOMweb service for a lane: instances in, outcomes out, several in a request.

A thread sends. What is handed over while a request is under way goes into the next one together,
up to `operations` instances, so a slow service gets few long requests. If a request fails because
of one of its instances, each of them is sent alone. What the service refuses for its transfer
syntax is sent in another one. Instances are transcoded in the thread that hands them over, while
the request before is under way.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple

from gateway.datasets.errors import NotTranscodable
from gateway.requestor import SourceFailed
from gateway.sdk import GatewayError
from gateway.sdk.move.destination import NoRoute
from workers.forward.authorized_connection import AuthorizedConnection
from workers.forward.http_connection import HttpConnection, NoHttpAnswer
from workers.forward.outcomes import SendOutcome, SendVerdict, of_error
from workers.forward.service_syntaxes import FittedInstance, ServiceSyntaxes
from workers.forward.stow_answer import Verdicts, verdicts
from workers.forward.stow_body import StowBody

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Sequence

    from gateway.datasets import Instance
    from gateway.requestor import Timeouts
    from gateway.settings import Destination
    from workers.forward.http_credentials import Credentials

MOST_BYTES = 32 << 20
"""Bytes of instances from which on a request gets no further one."""
_STOPS = frozenset({SendVerdict.LOST, SendVerdict.FULL, SendVerdict.NO_ROUTE})
"""Verdicts after which nothing more is sent before the pause of the destination is over."""

log = logging.getLogger("workers.forward")


class HeldInstance(NamedTuple):
    """An instance that was handed over."""

    fitted: FittedInstance
    answered: Future[SendOutcome]

    @property
    def instance(self) -> Instance:
        """What is sent: it may have another SOP Instance UID than what was handed over."""
        return self.fitted.instance


class StowLink:
    """Sends the instances of one lane to a service."""

    def __init__(
        self,
        entry: Destination,
        credentials: Credentials,
        tls: ssl.SSLContext | None = None,
        timeouts: Timeouts | None = None,
        shown: Callable[[float], None] = lambda _end: None,
        syntaxes: ServiceSyntaxes | None = None,
    ) -> None:
        """`syntaxes`: what all links of the destination know of the service."""
        self._syntaxes = syntaxes or ServiceSyntaxes()
        self._path = f"{entry.service.path}/studies"
        self.most = entry.operations
        """Instances of one request."""
        connection = HttpConnection(entry.service, tls, entry.tls_name, timeouts, shown=shown)
        self._connection = AuthorizedConnection(connection, credentials)
        self._changed = threading.Condition()
        self._held: list[HeldInstance] = []
        self._on_their_way = 0
        self._why_over = ""
        self._is_released = False
        self._thread = threading.Thread(target=self._work, name="stow", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether it takes instances: no request has failed for a reason of the service."""
        return not self._why_over

    @property
    def is_full(self) -> bool:
        """Whether a request is under way, and the next one is full."""
        with self._changed:
            size = sum(one.instance.size for one in self._held)
            return len(self._held) >= self.most or size >= MOST_BYTES

    def begin(self, instance: Instance, _originator: object) -> HeldInstance:
        """Send an instance, without waiting for the answer; raises NoRoute after a failure.

        Raises TranscodingError and the like for an instance that has to be transcoded and cannot.
        """
        self._check_open()
        held = HeldInstance(self._syntaxes.first(instance), Future())
        with self._changed:
            self._check_open()
            self._held.append(held)
            self._changed.notify()
            return held

    def _check_open(self) -> None:
        if self._why_over:
            raise NoRoute(self._why_over)

    def release(self) -> None:
        """Close the connection after the last answer."""
        with self._changed:
            self._is_released = True
            self._changed.notify()
        self._thread.join()

    def abort(self) -> None:
        """Close the connection at once: what is under way fails."""
        self._end("the worker has ended")
        self._connection.close()

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            try:
                self._send(taken)
            except Exception as error:  # a bug must not end the thread, and its rows are settled
                log.exception("a STOW-RS request failed")
                for one in taken:
                    _settle(one, SendOutcome(SendVerdict.AGAIN, type(error).__name__))
        self._connection.close()

    def _next(self) -> list[HeldInstance] | None:
        """Return the instances of the next request; None: there will be none."""
        with self._changed:
            while not self._held:
                if self._is_released or self._why_over:
                    return None
                self._changed.wait()
            size, count = 0, 0
            for one in self._held[: self.most]:
                size, count = size + one.instance.size, count + 1
                if size >= MOST_BYTES:
                    break
            taken, self._held = self._held[:count], self._held[count:]
            return taken

    def _send(self, taken: Sequence[HeldInstance]) -> None:
        found = self._outcomes(taken)
        if found.is_about_one and len(taken) > 1:
            for one in taken:
                self._send([one])
            return
        again = [other for one in taken if (other := self._take_outcome(one, found)) is not None]
        if again:
            self._send(again)

    def _take_outcome(self, one: HeldInstance, found: Verdicts) -> HeldInstance | None:
        """Settle an instance; or return it as it is sent once more."""
        outcome = found.each.get(one.instance.sop_instance_uid, found.all)
        if outcome.verdict in _STOPS:
            self._end(outcome.reason)
        elif outcome.verdict is SendVerdict.DONE:
            self._syntaxes.was_taken(one.fitted)
        elif outcome.is_about_syntax:
            other = self._in_another(one, outcome, found.taken)
            if isinstance(other, HeldInstance):
                return other
            outcome = other
        _settle(one, outcome)
        return None

    def _in_another(
        self, one: HeldInstance, refusal: SendOutcome, taken: Collection[str] | None
    ) -> HeldInstance | SendOutcome:
        """Return an instance in another transfer syntax; or what becomes of it if there is none."""
        try:
            other = self._syntaxes.next(one.fitted, taken)
        except NotTranscodable as error:
            return refusal._replace(reason=f"{refusal.reason}; {error}")
        except (GatewayError, OSError, ValueError) as error:
            return of_error(error)
        if other is None:
            tried = f"{refusal.reason}; it was sent as {one.fitted.names()}"
            return refusal._replace(reason=tried)
        return HeldInstance(other, one.answered)

    def _outcomes(self, taken: Sequence[HeldInstance]) -> Verdicts:
        if self._why_over:
            return Verdicts({}, SendOutcome(SendVerdict.NO_ROUTE, self._why_over))
        body = StowBody([one.instance for one in taken])
        try:
            answer = self._connection.post(self._path, _headers(body), body.pieces)
        except NoHttpAnswer as error:
            return Verdicts({}, SendOutcome(error.verdict, str(error)))
        except SourceFailed as error:
            return Verdicts({}, SendOutcome(SendVerdict.AGAIN, str(error)), is_about_one=True)
        return verdicts(answer, [one.instance.sop_instance_uid for one in taken])

    def _end(self, why: str) -> None:
        """Take nothing more, and let what is held wait for the pause of the destination."""
        with self._changed:
            self._why_over = self._why_over or why or "it failed"
            held, self._held = self._held, []
            self._changed.notify()
        for one in held:
            _settle(one, SendOutcome(SendVerdict.NO_ROUTE, self._why_over))


def _settle(one: HeldInstance, outcome: SendOutcome) -> None:
    if not one.answered.done():
        one.answered.set_result(outcome)


def _headers(body: StowBody) -> dict[str, str]:
    return {
        "Content-Type": body.content_type,
        "Content-Length": str(body.length),
        "Accept": "application/dicom+json",
    }

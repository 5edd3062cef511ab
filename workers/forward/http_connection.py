"""A connection to an HTTP service, with TLS and limits on time."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from typing import TYPE_CHECKING

from gateway.requestor import Timeouts
from gateway.sdk import GatewayError
from gateway.tls import end_of_shown
from gateway.tls_words import explain_handshake
from workers.forward.outcomes import SendVerdict
from workers.forward.stow_answer import StowAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gateway.destination_settings import ServiceAddress

MOST = 4 << 20
"""Bytes of a response that are read."""
_EARLY = 2.0
"""Seconds in which a response can be read after the service stopped to read the request."""


class NoHttpAnswer(GatewayError):  # noqa: N818 - a state, not only an error
    """A request got no response; the text says why."""

    def __init__(self, verdict: SendVerdict, text: str) -> None:
        super().__init__(text)
        self.verdict = verdict


class HttpConnection:
    """Sends one request at a time; connects when it is needed, and again after an error."""

    def __init__(
        self,
        service: ServiceAddress,
        tls: ssl.SSLContext | None = None,
        server_name: str = "",
        timeouts: Timeouts | None = None,
        shown: Callable[[float], None] = lambda _end: None,
    ) -> None:
        """`shown` is told when the certificate of the service ends, in seconds since the epoch."""
        self._service = service
        self._tls = tls if service.is_tls else None
        self._name = server_name or service.host
        self._limits = timeouts or Timeouts()
        self._shown = shown
        self._open: _Stream | None = None

    def post(
        self, path: str, headers: Mapping[str, str], pieces: Callable[[], Iterable[bytes]]
    ) -> StowAnswer:
        """Send a request and return the response; raises NoHttpAnswer and what `pieces` raises."""
        return self._request("POST", path, headers, pieces)

    def get(self, path: str, headers: Mapping[str, str]) -> StowAnswer:
        """Send a request without a body and return the response; raises NoHttpAnswer."""
        return self._request("GET", path, headers, lambda: ())

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        pieces: Callable[[], Iterable[bytes]],
    ) -> StowAnswer:
        """Send a request and return the response.

        A service may have closed a connection that was used before: then it is sent on a new one.
        """
        is_used = self._open is not None
        while True:
            stream = self._open or self._connect()
            try:
                answer = _exchange(stream, (method, path), headers, pieces(), self._limits)
            except NoHttpAnswer:
                self.close()
                raise
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if is_used and _is_closed(error):
                    is_used = False
                    continue
                raise self._lost(error) from None
            except BaseException:
                self.close()
                raise
            if stream.is_over:
                self.close()
            return answer

    def close(self) -> None:
        """Close the connection, from any thread: a request under way fails."""
        stream, self._open = self._open, None
        if stream is not None:
            stream.cut()
            stream.close()

    def _connect(self) -> _Stream:
        stream = _Stream(self._service, self._tls, self._name, self._limits.connect)
        place = self._service.place
        try:
            stream.connect()
        except (ssl.SSLError, ConnectionResetError) as error:
            stream.close()
            text = f"no connection with {place}: {explain_handshake(error)}"
            raise NoHttpAnswer(SendVerdict.NO_ROUTE, text) from None
        except TimeoutError:
            stream.close()
            text = f"no connection with {place}: no answer within {self._limits.connect:g} s"
            raise NoHttpAnswer(SendVerdict.NO_ROUTE, text) from None
        except (OSError, ValueError) as error:
            stream.close()
            why = getattr(error, "strerror", None) or error
            raise NoHttpAnswer(SendVerdict.NO_ROUTE, f"no connection with {place}: {why}") from None
        self._shown(stream.certificate_end())
        self._open = stream
        return stream

    def _lost(self, error: Exception) -> NoHttpAnswer:
        place = self._service.place
        if isinstance(error, TimeoutError):
            text = f"{place} does not read, or does not answer within {self._limits.dimse:g} s"
        elif _is_closed(error):
            text = f"{place} closed the connection without an answer"
        elif isinstance(error, OSError):
            text = f"the connection with {place} broke: {error.strerror or error}"
        else:
            text = f"what {place} answers is not HTTP ({type(error).__name__})"
        return NoHttpAnswer(SendVerdict.LOST, text)


def _is_closed(error: Exception) -> bool:
    return isinstance(error, ConnectionError | http.client.RemoteDisconnected)


class _Stream(http.client.HTTPConnection):
    """The connection of the standard library, with the name that the certificate must have."""

    def __init__(
        self, service: ServiceAddress, tls: ssl.SSLContext | None, name: str, timeout: float
    ) -> None:
        super().__init__(service.host, service.port, timeout=timeout)
        self.default_port = 443 if tls else 80
        self._tls = tls
        self._name = name
        self._wire: socket.socket | None = None
        """Kept, because `sock` is let go before a response is read after which the service closes
        the connection."""
        self.is_over = False
        """The service will close it."""
        self.is_given_up = False

    def connect(self) -> None:
        super().connect()
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)
        self._wire = self.sock

    def certificate_end(self) -> float:
        """Return when the service's certificate ends; 0.0: it has none."""
        sock = self.sock
        return end_of_shown(sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None)

    def limit(self, seconds: float) -> None:
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def give_up(self) -> None:
        """End the wait for a response that takes too long."""
        self.is_given_up = True
        self.cut()

    def cut(self) -> None:
        """Have a thread that reads or writes go on with an error."""
        try:
            if self._wire is not None:
                self._wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _exchange(
    stream: _Stream,
    what: tuple[str, str],
    headers: Mapping[str, str],
    pieces: Iterable[bytes],
    limits: Timeouts,
) -> StowAnswer:
    """Send a request (method, path) and read the response.

    Raises NoHttpAnswer, OSError and HTTPException.

    A service that refuses a long request may answer before it has read it, and close.
    """
    stream.putrequest(*what, skip_accept_encoding=True)
    for name, value in headers.items():
        stream.putheader(name, value)
    stream.limit(limits.send)
    try:
        stream.endheaders()
        for piece in pieces:
            stream.send(piece)
    except OSError:
        stream.is_over = True
        stream.limit(_EARLY)
        try:
            return _response(stream)
        except (OSError, http.client.HTTPException):
            pass
        raise
    stream.limit(limits.dimse)
    too_slow = threading.Timer(limits.dimse, stream.give_up)  # the limit above is for each read
    too_slow.daemon = True
    too_slow.start()
    try:
        answer = _response(stream)
    except (ConnectionError, http.client.HTTPException):
        if stream.is_given_up:
            raise TimeoutError from None
        raise
    finally:
        too_slow.cancel()
    if stream.is_given_up:  # the body seems to end where the connection was cut
        raise TimeoutError
    return answer


def _response(stream: _Stream) -> StowAnswer:
    with stream.getresponse() as response:
        body = response.read(MOST + 1)
        if len(body) > MOST:
            text = f"the destination answered with more than {MOST >> 20} MiB"
            raise NoHttpAnswer(SendVerdict.LOST, text)
        stream.is_over = stream.is_over or response.will_close or not response.isclosed()
        told = {name.lower(): value for name, value in response.getheaders()}
        return StowAnswer(response.status, told, body)

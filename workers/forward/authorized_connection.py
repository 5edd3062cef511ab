"""A connection to an HTTP service that sends credentials with each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from workers.forward.http_connection import HttpConnection
    from workers.forward.http_credentials import Credentials
    from workers.forward.stow_answer import StowAnswer


class AuthorizedConnection:
    """Sends one request at a time; once more after a 401, if there are other credentials by then.

    All methods raise NoHttpAnswer, also if there are no credentials to be had.
    """

    def __init__(self, connection: HttpConnection, credentials: Credentials) -> None:
        self._connection = connection
        self._credentials = credentials

    def post(
        self, path: str, headers: Mapping[str, str], pieces: Callable[[], Iterable[bytes]]
    ) -> StowAnswer:
        """Send a request with a body; raises what `pieces` raises besides."""
        return self._authorized(
            headers, lambda complete: self._connection.post(path, complete, pieces)
        )

    def get(self, path: str, headers: Mapping[str, str]) -> StowAnswer:
        """Send a request without a body."""
        return self._authorized(headers, lambda complete: self._connection.get(path, complete))

    def close(self) -> None:
        """Close the connection, from any thread: a request under way fails."""
        self._connection.close()

    def _authorized(
        self, headers: Mapping[str, str], send: Callable[[Mapping[str, str]], StowAnswer]
    ) -> StowAnswer:
        value = self._credentials.header()
        answer = send(_complete(headers, value))
        if answer.status == 401 and self._credentials.renew(value):
            answer = send(_complete(headers, self._credentials.header()))
        return answer


def _complete(headers: Mapping[str, str], authorization: str) -> dict[str, str]:
    named = {"User-Agent": "dicom-gateway", **headers}
    return named | ({"Authorization": authorization} if authorization else {})

"""NATS JetStream as a receiver: a message for each line, `Nats-Msg-Id` is its number.

JetStream drops a message whose id it has seen within the duplicate window of the stream, so a line
that is sent again after a lost acknowledgement is kept once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gateway.loop_thread import LoopThread
from gateway.sdk import ConfigError
from workers.complete.deliverer import NotTaken
from workers.complete.webhook import kinds_of

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

EXTRA = "pip install 'dicom-gateway[nats]'"
TIMEOUT = 10.0
"""Seconds for the connection, and for an acknowledgement."""
_OPTIONS = {"servers": list, "stream": str, "subject": str, "kinds": list, "credentials": str}


class NatsStream:
    """The receiver of `[workers.complete.options.nats]`.

    A line is published as `SUBJECT.KIND`, such as `dicom.complete`. The stream is created where
    there is none.
    """

    name = "nats"

    def __init__(
        self,
        servers: list[str],
        stream: str = "DICOM",
        subject: str = "dicom",
        kinds: tuple[str, ...] = ("complete",),
        credentials: str = "",
    ) -> None:
        self.kinds = kinds
        self._servers, self._stream, self._subject = servers, stream, subject
        self._credentials = credentials
        self._loop: LoopThread | None = None
        self._client: Client | None = None
        self._js: JetStreamContext | None = None

    @classmethod
    def of(cls, table: dict[str, Any]) -> NatsStream:
        """Return the receiver of a table of the configuration; raises ConfigError."""
        try:
            import nats  # noqa: F401 - says early that it is missing
        except ModuleNotFoundError:
            raise ConfigError(f"complete: nats needs {EXTRA}") from None
        for name, value in table.items():
            if name not in _OPTIONS:
                raise ConfigError(f"complete: nats: there is no option {name!r}")
            if not isinstance(value, _OPTIONS[name]) or not value:
                raise ConfigError(f"complete: nats: {name} = {value!r} cannot be")
        if "servers" not in table:
            raise ConfigError("complete: nats: servers must be a list such as ['nats://HOST:4222']")
        return cls(**{**table, "kinds": kinds_of(table)})

    def send(self, seq: int, message: dict[str, Any]) -> None:
        """Deliver one line; raises NotTaken."""
        import nats.errors
        import nats.js.errors

        if self._loop is None:
            self._loop = LoopThread("nats")
        try:
            self._loop.run(self._publish(seq, message))
        except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError) as error:
            raise NotTaken(f"NATS: {str(error) or type(error).__name__}") from None

    def close(self) -> None:
        """Close the connection."""
        if self._loop is None:
            return
        if self._client is not None:
            self._loop.run(self._client.close())
        self._loop.stop()
        self._loop.join()
        self._loop = None

    async def _publish(self, seq: int, message: dict[str, Any]) -> None:
        js = await self._connect()
        await js.publish(
            f"{self._subject}.{message['kind']}",
            json.dumps(message).encode(),
            timeout=TIMEOUT,
            headers={"Nats-Msg-Id": str(seq)},
        )

    async def _connect(self) -> JetStreamContext:
        import nats
        import nats.js.errors

        if self._client is not None and self._js is not None and self._client.is_connected:
            return self._js
        if self._client is not None:
            await self._client.close()
        given = {"user_credentials": self._credentials} if self._credentials else {}
        self._client = await nats.connect(
            self._servers,
            connect_timeout=int(TIMEOUT),
            allow_reconnect=False,  # the deliverer tries again
            max_reconnect_attempts=1,  # also the limit of attempts to connect to each server
            reconnect_time_wait=0,
            error_cb=_ignore,
            **given,
        )
        self._js = js = self._client.jetstream()
        try:
            await js.stream_info(self._stream)
        except nats.js.errors.NotFoundError:
            await js.add_stream(name=self._stream, subjects=[f"{self._subject}.>"])
        return js


async def _ignore(_error: Exception) -> None:
    """An error of the connection: the publishing that it fails raises it, too."""

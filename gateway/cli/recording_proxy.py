"""A TCP proxy between two DICOM peers that records what they send."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.cli.recorded_pdus import PduSplitter, redacted
from gateway.cli.recording import ACCEPTOR, REQUESTOR

if TYPE_CHECKING:
    from gateway.cli.recording import RecordingWriter

_CHUNK = 1 << 16


@dataclass
class RecordingProxy:
    """Passes connections on to `host` and `port`, byte for byte, and records them."""

    writer: RecordingWriter
    host: str
    port: int
    is_redacted: bool = False
    most_connections: int = 0
    """Connections after whose end `over` is set; 0: never."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _opened: int = 0
    _ended: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, until both sides have closed it."""
        self._opened += 1
        number = self._opened
        there: asyncio.StreamWriter | None = None
        try:
            self.writer.open(number, _place(writer.get_extra_info("peername")), self._target)
            back, there = await asyncio.open_connection(self.host, self.port)
            await asyncio.gather(
                self._pass_on(number, REQUESTOR, reader, there),
                self._pass_on(number, ACCEPTOR, back, writer),
            )
        except OSError:  # there is nobody at the target
            self.writer.end(number, ACCEPTOR)
        finally:
            for one in (writer, there):
                if one is not None:
                    one.close()
                    with suppress(OSError):
                        await one.wait_closed()
            self._ended += 1
            if self._ended == self.most_connections:
                self.over.set()

    @property
    def _target(self) -> str:
        return _place((self.host, self.port))

    async def _pass_on(
        self, number: int, sender: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        splitter = PduSplitter()
        try:
            while data := await source.read(_CHUNK):
                for pdu in splitter.feed(data):
                    self._record(number, sender, pdu, is_raw=splitter.is_raw)
                sink.write(data)
                await sink.drain()
        except OSError:  # it was reset
            pass
        for rest in splitter.rest():
            self._record(number, sender, rest, is_raw=True)
        self.writer.end(number, sender)
        with suppress(OSError):
            sink.write_eof()

    def _record(self, number: int, sender: str, pdu: bytes, *, is_raw: bool) -> None:
        if self.is_redacted:
            pdu = bytes(len(pdu)) if is_raw else redacted(pdu)
        self.writer.pdu(number, sender, pdu)


def _place(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

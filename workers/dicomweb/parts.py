"""Multipart bodies (RFC 2387, PS3.18 8.7.1): written as streams, read as they arrive."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import Response, StreamingResponse

from workers.dicomweb.guard import HttpError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping

_PIECE = 1 << 20
_BOUNDARY = 256
"""Characters of a boundary: RFC 2046 allows 70, and Orthanc sends more."""
_HEADERS = 16_384
"""Bytes of the headers of a part."""


class Part(NamedTuple):
    """A part to send: its headers and its content in pieces."""

    headers: Mapping[str, str]
    content: AsyncIterable[bytes]


def multipart(parts: AsyncIterable[Part], kind: str) -> StreamingResponse:
    """Return a response of parts; `kind` is the media type of the first."""
    boundary = secrets.token_hex(16)
    media = f'multipart/related; type="{kind}"; boundary={boundary}'
    return StreamingResponse(_body(parts, boundary), media_type=media)


def multipart_of_one(content: bytes, headers: Mapping[str, str], kind: str) -> Response:
    """Return what `multipart` does for one part that is at hand, sent in one go."""
    boundary = secrets.token_hex(16)
    media = f'multipart/related; type="{kind}"; boundary={boundary}'
    body = b"".join((_head(boundary, headers), content, _end(boundary)))
    return Response(body, media_type=media)


def _head(boundary: str, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"\r\n--{boundary}\r\n{lines}\r\n".encode()


def _end(boundary: str) -> bytes:
    return f"\r\n--{boundary}--\r\n".encode()


async def _body(parts: AsyncIterable[Part], boundary: str) -> AsyncIterator[bytes]:
    async for part in parts:
        head = _head(boundary, part.headers)
        async for piece in part.content:
            yield head + piece
            head = b""
        if head:
            yield head
    yield _end(boundary)


async def parts_of(contents: Iterable[bytes], headers: Mapping[str, str]) -> AsyncIterator[Part]:
    """Yield contents as parts with the same headers."""
    for content in contents:
        yield Part(headers, once(content))


async def once(content: bytes) -> AsyncIterator[bytes]:
    """Yield content in pieces."""
    for begin in range(0, len(content), _PIECE):
        yield content[begin : begin + _PIECE]


class Begun(NamedTuple):
    """A part begins."""

    headers: dict[str, str]
    """By name in lower case."""


class Data(NamedTuple):
    """Some bytes of the part that has begun."""

    content: bytes


class Ended(NamedTuple):
    """The part has ended."""


class PartsReader:
    """Takes a body piece by piece and returns what is in it; raises HttpError 400."""

    def __init__(self, boundary: str) -> None:
        from python_multipart.multipart import MultipartParser

        if not boundary or len(boundary) > _BOUNDARY:
            raise HttpError(400, f"the Content-Type has no boundary of 1 to {_BOUNDARY} characters")
        self._found: list[Begun | Data | Ended] = []
        self._headers: dict[str, str] = {}
        self._name = self._value = ""
        self._length = 0
        self.is_over = False
        """The last boundary has come."""
        callbacks: Any = {
            "on_part_begin": self._part,
            "on_header_begin": self._header,
            "on_header_field": self._in_name,
            "on_header_value": self._in_value,
            "on_header_end": self._header_end,
            "on_headers_finished": lambda: self._found.append(Begun(self._headers)),
            "on_part_data": lambda data, start, end: self._found.append(Data(data[start:end])),
            "on_part_end": lambda: self._found.append(Ended()),
            "on_end": self._end,
        }
        self._parser = MultipartParser(boundary.encode("latin-1", "replace"), callbacks)

    def feed(self, data: bytes) -> list[Begun | Data | Ended]:
        """Return what has arrived."""
        from python_multipart.exceptions import MultipartParseError

        self._found = []
        try:
            if not self.is_over:
                self._parser.write(data)
        except MultipartParseError as error:
            raise HttpError(400, f"the body is not what its Content-Type says: {error}") from None
        return self._found

    def close(self) -> None:
        """Raise HttpError 400 if the body ends before its last boundary."""
        if not self.is_over:
            raise HttpError(400, "the body ends before its last boundary")

    def _part(self) -> None:
        self._headers, self._length = {}, 0

    def _header(self) -> None:
        self._name = self._value = ""

    def _in_name(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._name += data[start:end].decode("latin-1").lower()

    def _in_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end].decode("latin-1")

    def _header_end(self) -> None:
        self._headers[self._name] = self._value.strip()

    def _count(self, number: int) -> None:
        self._length += number
        if self._length > _HEADERS:
            raise HttpError(400, f"the headers of a part have more than {_HEADERS} bytes")

    def _end(self) -> None:
        self.is_over = True

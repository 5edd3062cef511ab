"""Multipart bodies (RFC 2387, PS3.18 8.7.1): written as streams, read as they arrive."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response, StreamingResponse

from workers.dicomweb.guard import HttpError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping

_PIECE = 1 << 20
_BOUNDARY = 256
"""Characters of a boundary: RFC 2046 allows 70, and Orthanc sends more."""
_HEADERS = 16_384
"""Bytes of the headers of a part, and of what precedes the first boundary."""
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name: a token."""


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
    """Takes a body piece by piece and returns what is in it; raises HttpError 400.

    As RFC 2046 5.1.1 has it: what precedes the first boundary and follows the last one is ignored,
    a boundary may be followed by blanks, a header may be folded, and a part may have no headers.
    """

    def __init__(self, boundary: str) -> None:
        if not boundary or len(boundary) > _BOUNDARY:
            raise HttpError(400, f"the Content-Type has no boundary of 1 to {_BOUNDARY} characters")
        self._delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
        self._line = re.compile(re.escape(self._delimiter) + rb"(--|[ \t]*\r\n)")
        self._longest = len(self._delimiter) + _HEADERS
        self._held = b"\r\n"  # the first boundary may be at the begin
        self._at = 0
        """What of `_held` has been read."""
        self._state: Callable[[list[Begun | Data | Ended]], bool] = self._preamble
        self.is_over = False
        """The last boundary has come."""

    def feed(self, data: bytes) -> list[Begun | Data | Ended]:
        """Return what has arrived."""
        found: list[Begun | Data | Ended] = []
        if self.is_over:
            return found
        self._held += data
        while self._state(found) and not self.is_over:
            pass
        self._held, self._at = self._held[self._at :], 0
        return found

    def close(self) -> None:
        """Raise HttpError 400 if the body ends before its last boundary."""
        if not self.is_over:
            raise HttpError(400, "the body ends before its last boundary")

    def _preamble(self, _found: list[Begun | Data | Ended]) -> bool:
        """Look for the first boundary; return whether it was there, as the other states do."""
        if line := self._line.search(self._held):
            self._pass(line)
        elif len(self._held) > self._longest:
            raise HttpError(400, f"no boundary is in the first {_HEADERS} bytes of the body")
        return line is not None

    def _part_headers(self, found: list[Begun | Data | Ended]) -> bool:
        """Read headers, which an empty line ends, from the end of the boundary's line on."""
        end = self._held.find(b"\r\n\r\n", self._at, self._at + _HEADERS + 4)
        if end >= 0:
            found.append(Begun(_headers_in(self._held[self._at + 2 : end])))
            self._at, self._state = end + 2, self._empty_line
        elif len(self._held) - self._at > _HEADERS:
            raise HttpError(400, f"the headers of a part have more than {_HEADERS} bytes")
        return end >= 0

    def _empty_line(self, found: list[Begun | Data | Ended]) -> bool:
        """Read the end of the empty line, which belongs to the next boundary in an empty part."""
        line = self._line.match(self._held, self._at)
        if line is None and self._may_be_line(self._at):
            return False
        if line is not None:
            found.append(Ended())
            self._pass(line)
        else:
            self._at, self._state = self._at + 2, self._content
        return True

    def _content(self, found: list[Begun | Data | Ended]) -> bool:
        """Give out what is before a boundary, or cannot belong to one."""
        line, end = None, self._at
        while (end := self._held.find(self._delimiter, end)) >= 0:
            if (line := self._line.match(self._held, end)) or self._may_be_line(end):
                break
            end += 2
        if end < 0:
            end = self._begin_of_delimiter()
        if end > self._at:
            found.append(Data(self._held[self._at : end]))
            self._at = end
        if line is not None:
            found.append(Ended())
            self._pass(line)
        return line is not None

    def _pass(self, line: re.Match[bytes]) -> None:
        """Go on at the end of a boundary's line."""
        self.is_over = line[1] == b"--"
        self._at, self._state = line.end() - 2, self._part_headers

    def _may_be_line(self, at: int) -> bool:
        """Return whether what is held from a place on is the begin of a boundary's line."""
        begin, length = self._held[at : at + self._longest], len(self._delimiter)
        if len(begin) < length:
            return self._delimiter.startswith(begin)
        is_open = re.fullmatch(rb"-?|[ \t]*\r?", begin[length:]) is not None
        return begin.startswith(self._delimiter) and is_open and len(begin) < self._longest

    def _begin_of_delimiter(self) -> int:
        """Return where a delimiter may begin at the end of what is held."""
        for length in range(min(len(self._delimiter), len(self._held) - self._at), 0, -1):
            if self._held.endswith(self._delimiter[:length]):
                return len(self._held) - length
        return len(self._held)


def _headers_in(block: bytes) -> dict[str, str]:
    """Return headers by name in lower case; raises HttpError 400."""
    found = {}
    for line in re.sub(rb"\r\n(?=[ \t])", b"", block).split(b"\r\n") if block else ():
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise HttpError(400, "a header of a part is not NAME: VALUE")
        found[name.decode("ascii").lower()] = value.decode("latin-1").strip()
    return found

"""The object store of an archive, by the keys that `layout` describes.

An object is never replaced: its key has the token of the instance, and it is created under the
condition that there is none (If-None-Match), as far as the store knows that. What was sent is read
back, size and checksum, before `put` returns.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.sdk import ConfigError, GatewayError
from workers.archive.layout import key_of_object, path_of_object
from workers.archive.objects.etags import Parts, etag_of
from workers.archive.objects.pieces import PieceReader, read_ahead
from workers.archive.objects.range_source import LONGEST, RangeSource
from workers.archive.objects.store_failure import (
    StoreFailure,
    code_of,
    failure_of,
    missing,
    refusal_of,
)
from workers.archive.same_bytes import same_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from workers.archive.objects.object_place import ObjectPlace

SINGLE = 16 << 20
"""Bytes up to which an object is sent in one request."""
PART = 8 << 20
"""Bytes of a part of one that is longer."""
_AT_ONCE = 3
"""Parts that are sent at the same time."""
RANGE = LONGEST
"""Bytes that are read at a time."""
_CONNECT = timedelta(seconds=5)
_REQUEST = timedelta(seconds=10)
_PATIENCE = timedelta(seconds=18)
"""Time for which a request is tried again; with the last attempt, less than a C-STORE may take."""
_PAUSE = timedelta(milliseconds=100)
_PAGE = 1000
_DIGEST = "data-set-digest"
"""The name of the object's metadata that says the digest of its data set."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the store lists it."""

    path: str
    """As in a row of the index."""
    size: int
    changed: float
    """Seconds since 1970."""
    etag: str


class ObjectBegin(NamedTuple):
    """The first bytes of an object, and the digest of its data set that was noted with it."""

    data: bytes
    digest: bytes
    """Empty: none was noted."""


class ObjectStore:
    """The objects below one prefix of a bucket; safe for several threads.

    Requests raise StoreFailure, and FileNotFoundError for an object that is not there. With
    `is_hasty` they are not tried again.
    """

    def __init__(self, place: ObjectPlace, *, ca: str = "", is_hasty: bool = False) -> None:
        try:
            import obstore
            from obstore.store import S3Store
        except ImportError:
            raise ConfigError(
                "archive.store: objects in S3 need obstore: install the extra s3"
            ) from None
        self.place = place
        self._obstore: Any = obstore
        self._is_conditional = True
        known = {
            "access_key_id": place.key_id,
            "secret_access_key": place.secret,
            "session_token": place.session,
            "endpoint": place.endpoint,
            "region": place.region,
        }
        options: dict[str, Any] = {
            "connect_timeout": _CONNECT,
            "timeout": _REQUEST / 2 if is_hasty else _REQUEST,
            "allow_http": place.endpoint.startswith("http:"),
        }
        if ca:
            options["root_certificate"] = _certificate(ca)
        backoff = {"init_backoff": _PAUSE, "max_backoff": 10 * _PAUSE, "base": 2}
        retries = {
            "max_retries": 0 if is_hasty else 1000,
            "retry_timeout": _PATIENCE,
            "backoff": backoff,
        }
        try:
            self._store: Any = S3Store(
                place.bucket,
                config={name: text for name, text in known.items() if text},  # type: ignore[arg-type]
                client_options=options,  # type: ignore[arg-type]
                retry_config=retries,  # type: ignore[arg-type]
            )
        except Exception as error:  # whatever obstore raises
            raise ConfigError(f"archive.store: {place.url} cannot be used: {error}") from None

    def check_writing(self, name: str) -> None:
        """Create, read and delete an object at `name`, which must be unique.

        Raises ConfigError if that is refused, and StoreFailure if the store is out of reach.
        """
        path = f"objects/{self.place.holder}/{name}"
        try:
            self._create(path, b"probe")
            self._is_conditional = not self._create(path, b"probe")
            self._obstore.head(self._store, self._key(path))
            self._obstore.delete(self._store, self._key(path))
        except Exception as error:  # whatever obstore raises
            raise refusal_of(error, self.place) from None

    def check(self) -> None:
        """Raise StoreFailure if the store does not answer; a refusal is an answer."""
        try:
            self._obstore.head(self._store, self._key("objects/none"))
        except FileNotFoundError:
            return
        except Exception as error:  # whatever obstore raises
            refusal = refusal_of(error, self.place)
            if isinstance(refusal, StoreFailure):
                raise refusal from None

    # writing

    def put(self, path: str, source: bytes | str, digest: bytes = b"") -> None:
        """Create the object of a path from bytes or from a file; return when it is read back.

        `digest`: that of its data set, which is noted with it. It may be there already, with the
        same content: another attempt has created it.
        """
        size = len(source) if isinstance(source, bytes) else os.path.getsize(source)
        noted = {_DIGEST: digest.hex()} if digest else None
        if size > SINGLE:
            is_new, etag = self._put_parts(path, source, noted)
        else:
            data = source if isinstance(source, bytes) else Path(source).read_bytes()
            is_new, etag = self._put_whole(path, data, noted), etag_of(data)
        if not self._is_as_sent(path, source, size, etag):
            if is_new:
                with suppress(GatewayError, OSError):
                    self.delete(path)
            raise failure_of(
                OSError("what is there is not what was sent"), self.place, f"keep {path}"
            )

    def create(self, path: str, data: bytes) -> bool:
        """Create a short object; return False if there is one already."""
        return self._put_whole(path, data, None)

    def copy(self, path: str, new: str) -> None:
        """Create an object with the content of another one."""
        with self._told(f"copy {path}", path):
            self._obstore.copy(self._store, self._key(path), self._key(new))
        one, other = self.head(path), self.head(new)
        if one.size != other.size:
            raise failure_of(OSError("the copy has another size"), self.place, f"copy {path}")

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        with suppress(FileNotFoundError), self._told(f"delete {path}", path):
            self._obstore.delete(self._store, self._key(path))

    # reading

    def head(self, path: str) -> StoredObject:
        with self._told(f"read {path}", path):
            return self._described(self._obstore.head(self._store, self._key(path)))

    def read(self, path: str, start: int, size: int) -> bytes:
        """Return part of an object; raises StoreFailure if it ends before that."""
        if not size:
            return b""
        with self._told(f"read {path}", path):
            found = self._obstore.get_range(self._store, self._key(path), start=start, length=size)
        data = bytes(found)
        if len(data) != size:
            error = OSError(f"it has {len(data)} bytes of {size} at {start}")
            raise failure_of(error, self.place, f"read {path}")
        return data

    def begin(self, path: str, length: int) -> ObjectBegin:
        """Return the first bytes of an object that is not empty, `length` of them at most."""
        with self._told(f"read {path}", path):
            options = {"range": (0, length)}
            found = self._obstore.get(self._store, self._key(path), options=options)
            noted, data = found.attributes.get(_DIGEST, ""), bytes(found.bytes())
        try:
            return ObjectBegin(data, bytes.fromhex(noted))
        except ValueError:  # not by this program
            return ObjectBegin(data, b"")

    def source(self, path: str, start: int, size: int, begin: bytes = b"") -> RangeSource:
        """Return part of an object, of which `begin` is known, to be read as it is needed."""
        return RangeSource(partial(self._read_long, path), start, size, begin)

    def ranges(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Yield part of an object in ranges, one after the other."""
        return (self.read(path, at, length) for at, length in _ranges(start, size))

    def pieces(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Yield part of an object in ranges, of which the next one is read meanwhile.

        What it raises is an OSError, so that a data set that is sent ends there.
        """
        ranges = _ranges(start, size)
        if len(ranges) == 1:
            yield self._read_or_oserror(path, *ranges[0])
            return
        yield from read_ahead(lambda part: self._read_or_oserror(path, *part), ranges)

    def listed(self, folder: str) -> Iterator[StoredObject]:
        """Yield the objects whose paths begin with `folder` and a slash."""
        with self._told(f"list {folder}", folder):
            for page in self._obstore.list(self._store, self._key(folder), chunk_size=_PAGE):
                yield from map(self._described, page)

    def folders(self, folder: str) -> list[str]:
        """Return the names of what has a slash after its name, directly below `folder`."""
        with self._told(f"list {folder}", folder):
            found = self._obstore.list_with_delimiter(self._store, self._key(folder))
        return sorted(one.rstrip("/").rpartition("/")[2] for one in found["common_prefixes"])

    # private

    def _key(self, path: str) -> str:
        return key_of_object(self.place.prefix, path)

    def _described(self, found: Any) -> StoredObject:
        return StoredObject(
            path_of_object(self.place.prefix, found["path"]),
            found["size"],
            found["last_modified"].timestamp(),
            (found["e_tag"] or "").strip('"'),
        )

    def _told(self, doing: str, path: str) -> _InWords:
        return _InWords(self.place, doing, path)

    def _put_whole(self, path: str, data: bytes, noted: dict[str, str] | None) -> bool:
        with self._told(f"create {path}", path):
            return self._create(path, data, noted)

    def _create(self, path: str, data: bytes, noted: dict[str, str] | None = None) -> bool:
        """Create an object; return False if there is one already."""
        mode = "create" if self._is_conditional else "overwrite"
        how = {"mode": mode, "use_multipart": False, "attributes": noted}
        try:
            self._obstore.put(self._store, self._key(path), data, **how)
        except Exception as error:  # whatever obstore raises
            if type(error).__name__ in ("AlreadyExistsError", "PreconditionError"):
                return False
            if mode == "create" and code_of(error) in ("NotImplemented", "501"):
                self._is_conditional = False
                return self._create(path, data, noted)
            raise
        return True

    def _put_parts(
        self, path: str, source: bytes | str, noted: dict[str, str] | None
    ) -> tuple[bool, str]:
        with suppress(FileNotFoundError):
            self.head(path)
            return False, ""
        with _opened(source) as file, self._told(f"create {path}", path):
            parts = Parts(file, PART)
            self._obstore.put(
                self._store,
                self._key(path),
                iter(parts),
                attributes=noted,
                use_multipart=True,
                chunk_size=PART,
                max_concurrency=_AT_ONCE,
            )
            return True, parts.etag()

    def _is_as_sent(self, path: str, source: bytes | str, size: int, etag: str) -> bool:
        """Return whether an object has the size and checksum of what was sent.

        An ETag that is computed otherwise proves nothing: then all of it is read back.
        """
        found = self.head(path)
        if found.size != size:
            return False
        if found.etag == etag:
            return True
        with _opened(source) as file:
            return same_bytes(PieceReader(self.pieces(path, 0, size)), file)

    def _read_long(self, path: str, start: int, size: int) -> bytes:
        """Return part of an object as `read` does, in several requests if it is long."""
        if size <= RANGE:
            return self.read(path, start, size)
        return b"".join(self.ranges(path, start, size))

    def _read_or_oserror(self, path: str, start: int, size: int) -> bytes:
        try:
            return self.read(path, start, size)
        except GatewayError as error:
            raise OSError(str(error)) from error


class _InWords:
    """A `with` statement whose errors of obstore become those of the archive."""

    def __init__(self, place: ObjectPlace, doing: str, path: str) -> None:
        self._place, self._doing, self._path = place, doing, path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, FileNotFoundError) and code_of(error) != "NoSuchBucket":
            raise missing(self._path) from None
        if isinstance(error, Exception) and not isinstance(error, GatewayError):
            raise failure_of(error, self._place, self._doing) from None


def _ranges(start: int, size: int) -> list[tuple[int, int]]:
    """Return where each range begins, and its length."""
    return [(at, min(RANGE, start + size - at)) for at in range(start, start + size, RANGE)]


def _opened(source: bytes | str) -> BinaryIO:
    return BytesIO(source) if isinstance(source, bytes) else open(source, "rb")


def _certificate(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"archive.store_ca: the file {path} cannot be read: {error}") from None

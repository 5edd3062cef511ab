"""Errors of an object store in words: what is wrong, and what to do."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError, Unavailable

if TYPE_CHECKING:
    from gateway.sdk import GatewayError
    from workers.archive.objects.object_place import ObjectPlace

_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
_STATUS = re.compile(r"status (?:code: )?\(?(\d{3})")
_KEY = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken")
_CLOCK = ("RequestTimeTooSkewed", "RequestExpired")
_REGION = (
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "IllegalLocationConstraintException",
)


class StoreFailure(Unavailable):
    """A request to the object store failed."""

    is_outage = False
    """Whether the store was out of reach, so that the same request may succeed later."""


def failure_of(error: Exception, place: ObjectPlace, doing: str) -> StoreFailure:
    """Return an error of obstore as one line; `doing` says what failed."""
    code = code_of(error)
    known = _in_words(code, place)
    failure = StoreFailure(
        known or f"the object store {place.url}: cannot {doing}: {_short(error)}"
    )
    failure.is_outage = not known
    return failure


def refusal_of(error: Exception, place: ObjectPlace) -> GatewayError:
    """Return the error to raise at a start: ConfigError if only the operator can change that."""
    known = _in_words(code_of(error), place)
    if known:
        return ConfigError(known)
    where = place.endpoint or "AWS"
    failure = StoreFailure(
        f"archive.store: {place.url} at {where} is out of reach: {_short(error)}"
    )
    failure.is_outage = True
    return failure


def code_of(error: Exception) -> str:
    """Return the code of an error of S3, or the HTTP status; empty if there was no response."""
    found = _CODE.search(str(error)) or _STATUS.search(str(error))
    if found is None:
        kind = type(error).__name__
        return {"PermissionDeniedError": "403", "UnauthenticatedError": "401"}.get(kind, "")
    return found[1]


def missing(path: str) -> OSError:
    """Return the error for an object that is not there."""
    return FileNotFoundError(errno.ENOENT, "there is no such object", path)


def _in_words(code: str, place: ObjectPlace) -> str:
    where = f" at {place.endpoint}" if place.endpoint else ""
    if code == "NoSuchBucket":
        return f"archive.store: there is no bucket {place.bucket}{where}: create it or name another"
    if code in _KEY or code == "401":
        return (
            f"archive.store: the store{where} does not accept the key {place.key_id or '(none)'}: "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or archive.store_credentials"
        )
    if code in ("AccessDenied", "403"):
        return (
            f"archive.store: the key {place.key_id or '(none)'} may not write to {place.url}: "
            "allow it s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket"
        )
    if code in _CLOCK:
        return (
            f"archive.store: this host's clock differs too much from that of the store{where}: set "
            "both by NTP"
        )
    if code in _REGION:
        return f"archive.store_region: {place.bucket} is not in {place.region}: set its region"
    return ""


def _short(error: Exception) -> str:
    """Return what an error of obstore says, without the debugging output of its lines."""
    line = next((one for one in str(error).splitlines() if one.strip()), type(error).__name__)
    return line.removeprefix("Generic S3 error: ")[:200]

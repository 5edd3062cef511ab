"""Uploads in parts that were never completed, because the process that sent them died.

The store keeps their parts, and charges for them, until they are aborted. obstore has no request
for that, so these two are signed here (AWS Signature Version 4).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
import time
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from workers.archive.layout import OBJECTS, key_of_object
from workers.archive.objects.store_failure import failure_of

if TYPE_CHECKING:
    from workers.archive.objects.object_place import ObjectPlace

ABANDONED = 86_400.0
"""Seconds after which nobody goes on with an upload."""
_TIMEOUT = 10.0
_EMPTY = hashlib.sha256(b"").hexdigest()
_LONGEST = 8 << 20
"""Bytes of a response at most: 1,000 uploads."""


class _Upload(NamedTuple):
    key: str
    upload_id: str
    begun: float


def abort_abandoned(place: ObjectPlace, ca: str = "", *, older_than: float = ABANDONED) -> int:
    """Abort the uploads of this gateway that are so many seconds old; return their number.

    Nothing is done without a key of our own. Raises StoreFailure.
    """
    if not place.key_id:
        return 0
    number = 0
    try:
        for upload in _uploads(place, ca):
            if time.time() - upload.begun > older_than:
                _ask(place, ca, "DELETE", upload.key, {"uploadId": upload.upload_id})
                number += 1
    except (OSError, http.client.HTTPException, ValueError, ElementTree.ParseError) as error:
        raise failure_of(error, place, "abort abandoned uploads") from None
    return number


def _uploads(place: ObjectPlace, ca: str) -> list[_Upload]:
    prefix = key_of_object(place.prefix, f"{OBJECTS}/{place.holder}/")
    answer = _ask(place, ca, "GET", "", {"uploads": "", "prefix": prefix})
    found = []
    for one in ElementTree.fromstring(answer).iter():
        if _name(one) == "Upload":
            texts = {_name(child): child.text or "" for child in one}
            begun = datetime.fromisoformat(texts["Initiated"]).timestamp()
            if texts["Key"].startswith(prefix):
                found.append(_Upload(texts["Key"], texts["UploadId"], begun))
    return found


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _ask(place: ObjectPlace, ca: str, method: str, key: str, query: dict[str, str]) -> bytes:
    """Send a request without a body; return the response's. Raises OSError for a failure."""
    url = urlsplit(place.endpoint or f"https://s3.{place.region}.amazonaws.com")
    path = quote(f"/{place.bucket}/{key}".rstrip("/"))
    text = "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in sorted(query.items()))
    headers = signed(place, url.netloc, method, path, text, time.gmtime())
    with _connection(url.scheme, url.netloc, ca) as connection:
        connection.request(method, f"{path}?{text}", headers=headers)
        response = connection.getresponse()
        body = response.read(_LONGEST)
    if response.status >= 300 and response.status != 404:
        raise OSError(f"status {response.status}: {body[:500].decode('utf-8', 'replace')}")
    return body


def _connection(scheme: str, netloc: str, ca: str) -> closing[http.client.HTTPConnection]:
    if scheme == "http":
        return closing(http.client.HTTPConnection(netloc, timeout=_TIMEOUT))
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(ca)
    return closing(http.client.HTTPSConnection(netloc, timeout=_TIMEOUT, context=context))


def signed(
    place: ObjectPlace, host: str, method: str, path: str, query: str, now: time.struct_time
) -> dict[str, str]:
    """Return the headers of a request without a body that sign it; path and query are encoded."""
    at = time.strftime("%Y%m%dT%H%M%SZ", now)
    headers = {"host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": at}
    if place.session:
        headers["x-amz-security-token"] = place.session
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{_EMPTY}"
    scope = f"{at[:8]}/{place.region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{place.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}".encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={place.key_id}/{scope}, SignedHeaders={names}, "
        f"Signature={signature.hexdigest()}"
    )
    return headers

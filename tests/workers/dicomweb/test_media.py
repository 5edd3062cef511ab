"""What a client accepts, as PS3.18 8.7.5 writes it."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from workers.dicomweb import media
from workers.dicomweb.bulk_values import range_of
from workers.dicomweb.guard import HttpError

DICOM = 'multipart/related; type="application/dicom"'


def asking(accept: str | None, query: str = "") -> Request:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    return Request({**scope, "query_string": query.encode()})


@pytest.mark.parametrize(
    ("accept", "name", "is_multipart", "syntax"),
    [
        (None, "*/*", False, ""),
        ("", "*/*", False, ""),
        ("application/dicom", "application/dicom", False, ""),
        (DICOM, "application/dicom", True, ""),
        (f"{DICOM}; transfer-syntax=*", "application/dicom", True, "*"),
        (f'{DICOM};transfer-syntax="1.2.3"', "application/dicom", True, "1.2.3"),
        ("Multipart/Related; TYPE=application/dicom", "application/dicom", True, ""),
        ("image/png;q=0.5, image/jpeg", "image/jpeg", False, ""),
        ("image/png; q=0, image/jpeg;q=0.1", "image/jpeg", False, ""),
        ('text/x; a="b, c", image/jpeg;q=0.1', "text/x", False, ""),
        ("nonsense, *; q=.2, , image/png;q=.2", "image/png", False, ""),
    ],
)
def test_what_is_liked_best(accept, name, is_multipart, syntax):
    first = media.accepted(asking(accept))[0]
    assert (first.name, first.is_multipart, first.transfer_syntax) == (name, is_multipart, syntax)


def test_the_query_is_stronger_than_the_header():
    asked = asking("image/png", "accept=application/dicom%2Bjson")
    assert media.choose(asked, (media.JSON, media.XML)).name == media.JSON


def test_nothing_that_is_there_is_406():
    with pytest.raises(HttpError) as caught:
        media.choose(asking("text/html"), (media.JSON, media.XML))
    assert caught.value.status == 406
    assert "application/dicom+json, application/dicom+xml" in str(caught.value)


@pytest.mark.parametrize("accept", ["*/*", "application/*", "application/dicom+json"])
def test_ranges_become_what_is_offered_first(accept):
    assert media.choose(asking(accept), (media.JSON, media.XML)).name == media.JSON


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("text/html, image/gif, *; q=.2, */*; q=.2", media.JSON),
        ("application/dicom+json;q=0, */*", media.XML),
        ("application/dicom+json;q=0.1, */*;q=0.5", media.XML),
        ("application/dicom+xml;q=0, application/*", media.JSON),
        ("application/dicom+json; charset=utf-8; q=0.3", media.JSON),
    ],
)
def test_a_quality_by_name_is_stronger_than_that_of_a_range(accept, name):
    assert media.choose(asking(accept), (media.JSON, media.XML)).name == name


@pytest.mark.parametrize("accept", ["application/dicom+json;q=0", "*/*;q=0", "nonsense"])
def test_a_quality_of_zero_is_406(accept):
    with pytest.raises(HttpError) as caught:
        media.choose(asking(accept), (media.JSON,))
    assert caught.value.status == 406


def test_a_plus_in_the_query_need_not_be_escaped():
    asked = asking(None, "accept=application/dicom+xml")
    assert media.choose(asked, (media.JSON, media.XML)).name == media.XML


@pytest.mark.parametrize("text", ["", "nonsense", "a/", "/b"])
def test_what_is_no_media_type_is_400(text):
    with pytest.raises(HttpError) as caught:
        media.parse(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("Bytes=1-1", 1, 1),
        ("bytes=5-", 5, 9),
        ("bytes=-3", 7, 9),
        ("bytes=2-99", 2, 9),
    ],
)
def test_a_range(text, first, last):
    assert range_of(text, 10) == (first, last)


@pytest.mark.parametrize("text", ["", "bytes=5-4", "bytes=-", "lines=1-2", "bytes=0-1,3-4", "x"])
def test_a_range_that_is_not_valid_or_in_other_units_is_ignored(text):
    assert range_of(text, 10) is None


@pytest.mark.parametrize("text", ["bytes=10-", "bytes=-0", "bytes=99-100"])
def test_a_range_that_cannot_be_had_is_416(text):
    with pytest.raises(HttpError) as caught:
        range_of(text, 10)
    assert caught.value.status == 416
    assert caught.value.headers == {"Content-Range": "bytes */10"}

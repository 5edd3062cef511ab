"""Uploads that a crash has left."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.archive.objects.conftest import ask
from workers.archive.objects.abandoned_uploads import abort_abandoned, signed
from workers.archive.objects.store_failure import StoreFailure

if TYPE_CHECKING:
    from workers.archive.objects.object_place import ObjectPlace


def test_own_uploads_are_aborted_when_they_are_old(place: ObjectPlace) -> None:
    for holder in ("ONE", "TWO"):
        ask(place, "POST", f"some/prefix/{holder}/20260101/120000000-0/x.dcm", "uploads=")
    assert abort_abandoned(place, older_than=time.time()) == 0
    assert abort_abandoned(place, older_than=-60.0) == 1
    left = ask(place, "GET", query="uploads=").decode()
    assert ("prefix/TWO/" in left, "prefix/ONE/" in left) == (True, False)


def test_nothing_without_an_own_key(place: ObjectPlace) -> None:
    assert abort_abandoned(replace(place, key_id=""), older_than=-60.0) == 0


def test_a_store_that_is_away(place: ObjectPlace) -> None:
    with pytest.raises(StoreFailure, match="abort abandoned uploads"):
        abort_abandoned(replace(place, endpoint="http://127.0.0.1:9"))


def test_the_signature_is_that_of_the_documentation(place: ObjectPlace) -> None:
    """The example "GET Bucket Lifecycle" of AWS's Signature Version 4."""
    one = replace(
        place,
        key_id="AKIAIOSFODNN7EXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
    )
    at = time.strptime("20130524T000000Z", "%Y%m%dT%H%M%SZ")
    made = signed(one, "examplebucket.s3.amazonaws.com", "GET", "/", "lifecycle=", at)
    assert made["authorization"].endswith(
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )

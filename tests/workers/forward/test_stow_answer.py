"""What becomes of instances after each answer of a DICOMweb service."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

import pytest

from tests.peers.web_store import REASON, UID, WARNING, module
from workers.forward.outcomes import SendVerdict
from workers.forward.stow_answer import LONGEST_PAUSE, StowAnswer, retry_after, verdicts

A, B = "1.2.3", "1.2.4"


def answer(status: int, body: bytes = b"", kind: str = "", **headers: str) -> StowAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return StowAnswer(status, {"content-type": kind, **named}, body)


def told(stored: list[str], failed: dict[str, int], status: int = 0) -> StowAnswer:
    reply = module(stored, failed, status)
    return answer(reply.status, reply.body, reply.headers["Content-Type"])


@pytest.mark.parametrize(
    ("status", "verdict", "is_about_one"),
    [
        (301, SendVerdict.NO_ROUTE, False),
        (302, SendVerdict.NO_ROUTE, False),
        (303, SendVerdict.NO_ROUTE, False),
        (307, SendVerdict.NO_ROUTE, False),
        (308, SendVerdict.NO_ROUTE, False),
        (400, SendVerdict.AGAIN, True),
        (401, SendVerdict.NO_ROUTE, False),
        (403, SendVerdict.NO_ROUTE, False),
        (404, SendVerdict.NO_ROUTE, False),
        (405, SendVerdict.NO_ROUTE, False),
        (407, SendVerdict.NO_ROUTE, False),
        (408, SendVerdict.FULL, False),
        (409, SendVerdict.AGAIN, True),
        (413, SendVerdict.PARK, True),
        (415, SendVerdict.PARK, True),
        (422, SendVerdict.AGAIN, True),
        (429, SendVerdict.FULL, False),
        (500, SendVerdict.LOST, True),
        (501, SendVerdict.NO_ROUTE, False),
        (502, SendVerdict.FULL, False),
        (503, SendVerdict.FULL, False),
        (504, SendVerdict.FULL, False),
        (507, SendVerdict.FULL, False),
        (599, SendVerdict.LOST, True),
        (200, SendVerdict.LOST, False),
        (202, SendVerdict.LOST, False),
        (204, SendVerdict.LOST, False),
        (103, SendVerdict.LOST, False),
    ],
)
def test_what_a_status_means_for_a_request(
    status: int, verdict: SendVerdict, is_about_one: bool
) -> None:
    found = verdicts(answer(status, b"<html>log in</html>", "text/html"), [A, B])
    assert (found.each, found.all.verdict, found.is_about_one) == ({}, verdict, is_about_one)
    assert f"HTTP {status}" in found.all.reason


def test_each_instance_has_its_own_outcome() -> None:
    found = verdicts(told([A], {B: 0xA900}), [A, B, "1.9"])
    assert found.each[A].verdict is SendVerdict.DONE
    assert found.each[B].verdict is SendVerdict.PARK
    assert "A900" in found.each[B].reason
    assert found.each["1.9"].verdict is SendVerdict.AGAIN
    assert "does not say what became of it" in found.each["1.9"].reason


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        (0xA700, SendVerdict.FULL),
        (0xA901, SendVerdict.PARK),
        (0x0122, SendVerdict.PARK),
        (0xC122, SendVerdict.PARK),
        (0xC000, SendVerdict.AGAIN),
        (0x0110, SendVerdict.AGAIN),
        (0x0111, SendVerdict.DONE),
        (0x0000, SendVerdict.AGAIN),
    ],
)
def test_failure_reasons_are_statuses_of_c_store(reason: int, verdict: SendVerdict) -> None:
    for status in (200, 202, 409):
        found = verdicts(told([], {A: reason}, status), [A]).each[A]
        assert found.verdict is verdict
        assert not reason or verdict is SendVerdict.DONE or f"{reason:04X}" in found.reason


def test_a_failure_counts_more_than_a_success_and_a_warning_is_noted() -> None:
    assert verdicts(told([A], {A: 0xA900}), [A]).each[A].verdict is SendVerdict.PARK
    item = {UID: {"vr": "UI", "Value": [A]}, WARNING: {"vr": "US", "Value": ["45056"]}}
    body = json.dumps([{"00081199": {"vr": "SQ", "Value": [item]}}]).encode()
    found = verdicts(answer(202, body, "application/json"), [A]).each[A]
    assert (found.verdict, found.reason) == (SendVerdict.DONE, "status B000")


def test_other_failures_are_those_of_instances_that_are_not_named() -> None:
    others = {"0008119A": {"vr": "SQ", "Value": [{REASON: {"vr": "US", "Value": [0xA700]}}]}}
    body = json.dumps(others).encode()
    found = verdicts(answer(409, body, "application/dicom+json"), [A])
    assert found.each[A].verdict is SendVerdict.FULL


XML = """<?xml version="1.0"?><NativeDicomModel {space}>
<DicomAttribute tag="00081199" vr="SQ" keyword="ReferencedSOPSequence"><Item number="1">
<DicomAttribute tag="00081155" vr="UI"><Value number="1">1.2.3</Value></DicomAttribute>
</Item></DicomAttribute>
<DicomAttribute tag="00081198" vr="SQ"><Item number="1">
<DicomAttribute tag="00081155" vr="UI"><Value number="1">1.2.4</Value></DicomAttribute>
<DicomAttribute tag="00081197" vr="US"><Value number="1">42752</Value></DicomAttribute>
</Item></DicomAttribute></NativeDicomModel>"""


@pytest.mark.parametrize("space", ["", 'xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"'])
def test_the_answer_may_be_xml(space: str) -> None:
    body = XML.format(space=space).encode()
    found = verdicts(answer(202, body, 'application/dicom+xml; charset="utf-8"'), [A, B]).each
    assert found[A].verdict is SendVerdict.DONE
    assert found[B].verdict is SendVerdict.FULL


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/dicom+json", b""),
        ("application/dicom+json", b"{}"),
        ("application/dicom+json", b"[]"),
        ("application/dicom+json", b"null"),
        ("application/dicom+json", b'{"00081199": 7}'),
        ("application/dicom+json", b'{"00081199": {"Value": [7]}}'),
        ("application/dicom+json", b'{"00081199": {"Value": [{"00081155": {"Value": 7}}]}}'),
        ("application/dicom+json", b'{"00081199": {"Value": [{"00081155": 7}]}}'),
        ("application/dicom+json", b"[" * 100_000),
        ("application/dicom+json", b"\xff\xfe\x00"),
        ("application/dicom+xml", b"<a"),
        ("application/dicom+xml", b"<html/>"),
        ("application/dicom+xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        ("text/plain", b'{"00081199": {}}'),
    ],
)
def test_an_answer_that_is_none_is_no_success(kind: str, body: bytes) -> None:
    found = verdicts(answer(200, body, kind), [A])
    assert (found.each, found.all.verdict) == ({}, SendVerdict.LOST)


@pytest.mark.parametrize(
    ("accept", "taken", "words"),
    [
        ("", None, "it does not take an instance of this kind"),
        ("*/*", None, "of this kind"),
        ("application/*", None, "of this kind"),
        ('multipart/related; type="application/dicom"', None, "of this kind"),
        ("application/dicom; transfer-syntax=*", None, "of this kind"),
        ("application/dicom;transfer-syntax=1.2.3", {"1.2.3"}, "of this kind"),
        (
            'multipart/related; type="application/dicom"; transfer-syntax=1.2.3, '
            'application/dicom; transfer-syntax="1.2.4"',
            {"1.2.3", "1.2.4"},
            "of this kind",
        ),
        (
            "application/dicom; transfer-syntax=1.2.3, application/dicom; transfer-syntax=*",
            None,
            "",
        ),
        ("application/dicom+json, text/xml", None, "DICOM files, but application/dicom+json, text"),
        ('multipart/related; type="application/dicom+xml"', None, "DICOM files, but multipart/rel"),
    ],
)
def test_a_415_may_be_about_the_transfer_syntax(
    accept: str, taken: set[str] | None, words: str
) -> None:
    found = verdicts(answer(415, accept=accept), [A])
    assert found.all.verdict is SendVerdict.PARK
    assert found.taken == taken
    assert words in found.all.reason
    assert found.all.is_about_syntax == ("DICOM files" not in words)


def test_c122_is_about_the_transfer_syntax_and_no_other_reason_is() -> None:
    for reason in (0xC122, 0x0122, 0xA900, 0xC000):
        found = verdicts(told([], {A: reason}), [A]).each[A]
        assert found.is_about_syntax == (reason == 0xC122)


def test_how_long_a_service_asks_to_wait() -> None:
    def seconds(text: str) -> float:
        return retry_after(answer(503, retry_after=text))

    assert seconds("120") == 120
    assert seconds("999999999") == LONGEST_PAUSE
    assert 50 < seconds(formatdate(time.time() + 60, usegmt=True)) <= 61
    for text in ("", "-5", "soon", "1e3", "Mon", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 4000):
        assert seconds(text) in (0.0, LONGEST_PAUSE)
    assert verdicts(answer(429, retry_after="7"), [A]).all.pause == 7

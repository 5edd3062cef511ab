"""What a DICOMweb service says of the instances of a STOW-RS request (PS3.18 10.5.3).

The Store Instances Response Module names each instance among those that are stored, with a warning
perhaps, or among those that failed, with a reason, which is a status of C-STORE. An instance that
it does not name is not taken for stored, and nor is one after a page of a proxy or a login.
"""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

from workers.forward.outcomes import SendOutcome, SendVerdict, of_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FAILED, _STORED, _OTHERS = "00081198", "00081199", "0008119A"
_UID, _WARNING, _REASON = "00081155", "00081196", "00081197"
_NOT_NAMED = 0
SYNTAX_NOT_SUPPORTED = 0xC122
"""A failure reason of STOW-RS alone (PS3.18 I.2.2)."""
LONGEST_PAUSE = 3600.0
"""Seconds of `Retry-After` that are kept to."""

_BUSY = frozenset({408, 425, 429, 502, 503, 504, 507})
_NOT_FOUND = frozenset({404, 405, 406, 410, 501})
_UNFIT = frozenset({413, 415})
_DICOM_FILES = re.compile(
    r"application/(?:dicom(?![+\w])|\*)|multipart/related(?!\s*;\s*type)|\*/\*"
)
_TRANSFER_SYNTAX = re.compile(r'transfer-syntax\s*=\s*"?([0-9.]+|\*)')


class StowAnswer(NamedTuple):
    """A response to a STOW-RS request."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Verdicts(NamedTuple):
    """What becomes of the instances of a request."""

    each: dict[str, SendOutcome]
    """By SOP Instance UID; empty: all share one."""
    all: SendOutcome
    is_about_one: bool = False
    """One of the instances may have caused it: sent alone, the others may succeed."""
    taken: frozenset[str] | None = None
    """The transfer syntaxes that the service says it takes; None: it does not say."""


def verdicts(answer: StowAnswer, uids: Sequence[str]) -> Verdicts:
    """Return what becomes of the instances with these UIDs."""
    status = answer.status
    if 200 <= status < 300 or status == 409:
        told = _told(answer)
        if told is not None:
            each = {uid: _of_instance(told, uid, status) for uid in uids}
            return Verdicts(each, SendOutcome(SendVerdict.DONE))
    return _of_request(answer)


def _of_request(answer: StowAnswer) -> Verdicts:
    """Return what a status means for a whole request."""
    status, text = answer.status, f"the destination answered HTTP {answer.status}"
    if status in _BUSY:
        why = "it has no room" if status == 507 else "it cannot take anything now"
        outcome = SendOutcome(SendVerdict.FULL, f"{text}: {why}", pause=retry_after(answer))
    elif status in (401, 403, 407):
        outcome = SendOutcome(
            SendVerdict.NO_ROUTE, f"{text}: it does not accept our user, password or token"
        )
    elif 300 <= status < 400:
        place = answer.headers.get("location", "nowhere")[:200]
        why = f"it redirects to {place}, which is not followed: correct url in [destinations]"
        outcome = SendOutcome(SendVerdict.NO_ROUTE, f"{text}: {why}")
    elif status in _NOT_FOUND:
        why = "url in [destinations] is not that of a service that stores (STOW-RS)"
        outcome = SendOutcome(SendVerdict.NO_ROUTE, f"{text}: {why}")
    elif status in _UNFIT:
        return _unfit(answer, text)
    elif 400 <= status < 500:
        return Verdicts({}, SendOutcome(SendVerdict.AGAIN, text, True), True)
    elif status >= 500:
        return Verdicts({}, SendOutcome(SendVerdict.LOST, text), True)
    else:
        why = f"with {answer.media_type or 'nothing'}, which says nothing of the instances"
        outcome = SendOutcome(SendVerdict.LOST, f"{text} {why}")
    return Verdicts({}, outcome)


def _unfit(answer: StowAnswer, text: str) -> Verdicts:
    """Return what 413 and 415 mean: the cause of a 415 may be a transfer syntax, or a SOP class.

    `Accept` in the response names what the service would take (RFC 9110 15.5.16).
    """
    if answer.status == 413:
        why = "it does not take an instance of this length"
        return Verdicts({}, SendOutcome(SendVerdict.PARK, f"{text}: {why}", True), True)
    why = "it does not take an instance of this kind"
    told = answer.headers.get("accept", "").lower()
    if told and not _DICOM_FILES.search(told):
        why = f"it does not take DICOM files, but {told[:200]}"
        return Verdicts({}, SendOutcome(SendVerdict.PARK, f"{text}: {why}", True))
    named = frozenset(_TRANSFER_SYNTAX.findall(told))
    taken = named if named and "*" not in named else None
    outcome = SendOutcome(SendVerdict.PARK, f"{text}: {why}", True, is_about_syntax=True)
    return Verdicts({}, outcome, True, taken)


def retry_after(answer: StowAnswer) -> float:
    """Return the seconds that a service asks to wait; 0.0: it does not say."""
    text = answer.headers.get("retry-after", "").strip()
    try:
        if text.isascii() and text.isdecimal():
            seconds = float(text[:12])
        else:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return max(0.0, min(seconds, LONGEST_PAUSE))


class _Told(NamedTuple):
    """The module: warnings by UID of what is stored, reasons by UID of what is not."""

    stored: dict[str, int]
    failed: dict[str, int]
    others: list[int]
    """Reasons for what could not be identified."""


def _of_instance(told: _Told, uid: str, status: int) -> SendOutcome:
    if uid in told.failed:
        return of_reason(told.failed[uid])
    if uid in told.stored:
        warning = told.stored[uid]
        return SendOutcome(SendVerdict.DONE, f"status {warning:04X}" if warning else "", True)
    if told.others:
        return of_reason(told.others[0])
    text = f"the destination answered HTTP {status} and does not say what became of it"
    return SendOutcome(SendVerdict.AGAIN, text, True)


def of_reason(reason: int) -> SendOutcome:
    """Return the outcome of a failure reason (PS3.18 I.2.2)."""
    if reason == SYNTAX_NOT_SUPPORTED:
        text = "the destination answered C122: it does not support the transfer syntax"
        return SendOutcome(SendVerdict.PARK, text, True, is_about_syntax=True)
    if reason == _NOT_NAMED:
        return SendOutcome(SendVerdict.AGAIN, "the destination failed it without a reason", True)
    return of_status(reason)


def _told(answer: StowAnswer) -> _Told | None:
    """Return what the body of a response says; None: it is no Store Instances Response Module."""
    try:
        if answer.media_type.endswith("json"):
            items = _items_of_json(json.loads(answer.body))
        elif answer.media_type.endswith("xml"):
            items = _items_of_xml(answer.body)
        else:
            return None
        told = _Told({}, {}, [])
        for kind, uid, code in items:
            if kind == _OTHERS:
                told.others.append(code)
            elif uid:
                (told.stored if kind == _STORED else told.failed)[uid] = code
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    except ElementTree.ParseError:
        return None
    return told if any(told) else None


def _items_of_json(model: Any) -> Iterator[tuple[str, str, int]]:
    """Yield the sequence, UID, and warning or reason of each item (PS3.18 annex F)."""
    if isinstance(model, list):
        (model,) = model
    for kind in (_STORED, _FAILED, _OTHERS):
        for item in model.get(kind, {}).get("Value") or ():
            values = {tag: (item.get(tag, {}).get("Value") or [""])[0] for tag in item}
            yield _item(kind, values)


def _items_of_xml(body: bytes) -> Iterator[tuple[str, str, int]]:
    """Yield the same of the Native DICOM Model (PS3.19 A.1)."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("no document type belongs there")
    for sequence in _named(ElementTree.fromstring(body), "DicomAttribute"):
        kind = sequence.get("tag", "").upper()
        for item in _named(sequence, "Item") if kind in (_STORED, _FAILED, _OTHERS) else ():
            values = {}
            for attribute in _named(item, "DicomAttribute"):
                value = next(_named(attribute, "Value"), None)
                values[attribute.get("tag", "")] = (value.text or "") if value is not None else ""
            yield _item(kind, values)


def _named(parent: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (one for one in parent if one.tag.rpartition("}")[2] == name)


def _item(kind: str, values: Mapping[str, Any]) -> tuple[str, str, int]:
    code = values.get(_WARNING if kind == _STORED else _REASON) or 0
    return kind, str(values.get(_UID, "")).strip(" \0"), int(code) & 0xFFFF

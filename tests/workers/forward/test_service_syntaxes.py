"""In which transfer syntax a DICOMweb service gets instances that are not transcoded."""

from __future__ import annotations

import pytest

from gateway.datasets import Instance
from gateway.datasets.conversion import convert
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.peers import instances, wire
from tests.peers.web_store import Asked, Reply, WebStore, module
from tests.workers.forward.test_stow_link import linked, made, send
from workers.forward.outcomes import SendVerdict
from workers.forward.service_syntaxes import ServiceSyntaxes

RLE = "1.2.840.10008.1.2.5"


def explicit() -> Instance:
    one = instances.make()
    return Instance(one.sop_class, one.uid, wire.EXPLICIT, len(one.data_set), data=one.data_set)


def refusing(*syntaxes: str, reply: Reply | None = None) -> WebStore:
    """A service that refuses these transfer syntaxes, by C122 or by this answer."""

    def answer(asked: Asked) -> Reply:
        bad = [uid for uid, syntax in syntaxes_of(asked) if syntax in syntaxes]
        if bad and reply is not None:
            return reply
        return module([uid for uid in asked.uids if uid not in bad], dict.fromkeys(bad, 0xC122))

    return WebStore(answer=answer)


def syntaxes_of(asked: Asked) -> list[tuple[str, str]]:
    """UID and transfer syntax of each file of a request."""
    found = []
    for part in asked.body.split(b"application/dicom\r\n\r\n")[1:]:
        at = part.index(b"\x02\x00\x10\x00UI")
        length = int.from_bytes(part[at + 6 : at + 8], "little")
        found.append(part[at + 8 : at + 8 + length].rstrip(b"\0").decode())
    return list(zip(asked.uids, found, strict=True))


@pytest.mark.parametrize(
    ("own", "possible"),
    [
        (EXPLICIT_VR_LITTLE_ENDIAN, [EXPLICIT_VR_LITTLE_ENDIAN]),
        (IMPLICIT_VR_LITTLE_ENDIAN, [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN]),
        (EXPLICIT_VR_BIG_ENDIAN, [EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN]),
        (
            DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
            [DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN],
        ),
    ],
)
def test_after_its_own_comes_the_one_that_every_service_knows(
    own: str, possible: list[str]
) -> None:
    whole = explicit()
    syntaxes, one = ServiceSyntaxes(), whole if own == wire.EXPLICIT else convert(whole, own)
    fitted, tried = syntaxes.first(one), []
    while fitted is not None:
        tried.append(fitted.instance.transfer_syntax_uid)
        assert fitted.instance.sop_instance_uid == whole.sop_instance_uid
        fitted = syntaxes.next(fitted)
    assert tried == possible


@pytest.mark.parametrize("reply", [None, Reply(415)], ids=["C122", "415"])
def test_what_is_refused_is_converted_and_the_service_is_remembered(reply: Reply | None) -> None:
    peer = refusing(IMPLICIT_VR_LITTLE_ENDIAN, reply=reply)
    first, second = (convert(explicit(), IMPLICIT_VR_LITTLE_ENDIAN) for _ in range(2))
    with peer.running(), linked(peer) as link:
        assert [one.verdict for one in send(link, [first])] == [SendVerdict.DONE]
        assert [one.verdict for one in send(link, [second])] == [SendVerdict.DONE]
    assert [syntaxes_of(asked) for asked in peer.requests] == [
        [(first.sop_instance_uid, IMPLICIT_VR_LITTLE_ENDIAN)],
        [(first.sop_instance_uid, EXPLICIT_VR_LITTLE_ENDIAN)],
        [(second.sop_instance_uid, EXPLICIT_VR_LITTLE_ENDIAN)],
    ]


def test_what_is_taken_in_no_way_is_parked_and_the_next_one_is_sent_once() -> None:
    peer = WebStore(answer=lambda _asked: Reply(415))
    sent = [convert(explicit(), IMPLICIT_VR_LITTLE_ENDIAN) for _ in range(2)]
    with peer.running(), linked(peer) as link:
        found = [send(link, [one])[0] for one in sent]
        assert link.is_open
        peer.answer = lambda asked: module(asked.uids)
        assert send(link, sent[:1])[0].verdict is SendVerdict.DONE
        peer.answer = lambda _asked: Reply(415)
        send(link, sent[:1])
    assert [one.verdict for one in found] == [SendVerdict.PARK] * 2
    assert found[0].reason == (
        "the destination answered HTTP 415: it does not take an instance of this kind; it was "
        "sent as Implicit VR Little Endian, Explicit VR Little Endian"
    )
    assert len(peer.requests) == 2 + 1 + 1 + 2  # after a success it is tried in all ways again


def test_what_is_compressed_is_sent_as_it_is_or_not_at_all() -> None:
    peer = refusing(RLE)
    (one,) = made(1)
    compressed = Instance(one.sop_class_uid, "1.2.3", RLE, one.size, data=one.data)
    with peer.running(), linked(peer) as link:
        (found,) = send(link, [compressed])
    assert found.verdict is SendVerdict.PARK
    assert found.reason.endswith(
        "does not support the transfer syntax; it was sent as RLE Lossless"
    )
    assert len(peer.requests) == 1


def test_others_of_the_request_are_not_sent_again() -> None:
    peer = refusing(IMPLICIT_VR_LITTLE_ENDIAN)
    sent = [*made(3), convert(explicit(), IMPLICIT_VR_LITTLE_ENDIAN)]
    with peer.running(), linked(peer) as link:
        assert {one.verdict for one in send(link, sent)} == {SendVerdict.DONE}
    assert {len(times) for uid, times in peer.times.items() if uid != sent[3].sop_instance_uid} == {
        1
    }
    assert len(peer.times[sent[3].sop_instance_uid]) == 2

"""C-STOREs of this side that take the short way: on the wire and in what is told as by the other.

Each is compared with what the general way makes of the same, which is taken while somebody watches
messages.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.association.errors import Aborted, AssociationError
from gateway.dimse.message import CStoreRQ, CStoreRSP
from gateway.dimse.status import PROCESSING_FAILURE, SUCCESS
from gateway.ul.fsm import Side
from tests.association.support import Alone, run
from tests.peers import wire

DATA = b"a short data set"


class Sending:
    """An engine that sends C-STOREs one after the other, and a peer that is bytes."""

    def __init__(self, side: Side = Side.REQUESTOR) -> None:
        self.alone = Alone(side)
        self.engine = self.alone.engine
        self.outcomes: list[int | AssociationError] = []
        contexts = self.engine.upper.accepted_contexts.values()
        self.context = next(one for one in contexts if one.abstract_syntax == wire.CT)

    def send(self, uid: str = "1.2.30", data: bytes = DATA, **more: Any) -> CStoreRQ:
        message_id = self.engine.in_flight.next_message_id()
        request = CStoreRQ(message_id, wire.CT, uid, **more)
        sent = self.engine.in_flight.invoke_now(self.context, request, data, self.outcomes.append)
        assert sent
        return request

    def written(self) -> bytes:
        """Return what the peer got since the last call."""
        written = bytes(self.alone.end.written)
        self.alone.end.written.clear()
        return written

    def answer(self, request: CStoreRQ, status: int = SUCCESS, comment: str | None = None) -> None:
        self.alone.end.feed(self.response(request, status, comment))

    def response(
        self, request: CStoreRQ, status: int = SUCCESS, comment: str | None = None
    ) -> bytes:
        uid = request.affected_sop_instance_uid
        answer = CStoreRSP(request.message_id, status, wire.CT, comment, uid)
        return wire.p_data(wire.pdv(self.context.id, 3, answer.encode()))

    @property
    def is_expecting(self) -> bool:
        """Whether the next response is known already, if it is success."""
        return bool(self.engine.in_flight._plain._expected)


@pytest.mark.parametrize("side", list(Side), ids=str)
@pytest.mark.parametrize("data", [DATA, DATA + b"o", b"x" * 16_000, b"x" * 40_000, b""], ids=len)
def test_the_peer_gets_the_same_bytes(side, data) -> None:
    async def scene() -> None:
        short, general = Sending(side), Sending(side)
        general.engine.watch({"EVT_DIMSE_SENT"})
        for uid in ("1.2.30", "1.2.301", "1.2.30"):
            for more in ({}, {"move_originator_ae_title": "ME", "move_originator_message_id": 7}):
                for sending in (short, general):
                    sending.answer(sending.send(uid, data, **more))
                assert short.written() == general.written()
        assert short.outcomes == general.outcomes == [SUCCESS] * 6

    run(scene)


@pytest.mark.parametrize("data", [DATA, b"x" * 40_000], ids=len)
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_an_expected_success_is_one_however_it_arrives(chunk, data) -> None:
    async def scene() -> None:
        sending = Sending()
        sending.answer(sending.send())
        for _ in range(3):
            request = sending.send(data=data)
            assert sending.is_expecting
            sending.alone.end.feed(sending.response(request), chunk)
            assert not sending.is_expecting
        assert sending.outcomes == [SUCCESS] * 4
        assert sending.engine.counts.invoked == {(1, SUCCESS): 4}
        assert len(sending.engine.in_flight) == 0

    run(scene)


def test_any_other_response_is_decoded() -> None:
    async def scene() -> None:
        sending = Sending()
        sending.answer(sending.send())
        sending.answer(sending.send(), PROCESSING_FAILURE)
        sending.answer(sending.send(), SUCCESS, "late")
        sending.answer(sending.send())
        assert sending.outcomes == [SUCCESS, PROCESSING_FAILURE, SUCCESS, SUCCESS]
        assert not sending.is_expecting

    run(scene)


def test_an_expected_response_within_another_message_breaks_the_protocol() -> None:
    async def scene() -> None:
        sending = Sending()
        sending.answer(sending.send())
        request = sending.send()
        begun = wire.p_data(wire.pdv(sending.context.id, 1, b"\0" * 8))
        sending.alone.end.feed(begun + sending.response(request))
        assert isinstance(sending.outcomes[-1], Aborted)

    run(scene)


def test_a_response_is_told_to_who_watches_messages() -> None:
    async def scene() -> None:
        sending = Sending()
        sending.answer(sending.send())
        request = sending.send()
        sending.engine.watch({"EVT_DIMSE_RECV"})
        sending.answer(request)
        assert sending.outcomes == [SUCCESS, SUCCESS]
        assert [name for name, _ in sending.alone.role.published] == ["EVT_DIMSE_RECV"]

    run(scene)


def test_requests_of_the_peer_go_on_meanwhile() -> None:
    async def scene() -> None:
        sending = Sending(Side.ACCEPTOR)
        sending.answer(sending.send())
        request = sending.send()
        echo = wire.p_data(wire.pdv(1, 3, wire.echo_rq(9)))
        sending.alone.end.feed(echo + sending.response(request) + echo)
        assert sending.outcomes == [SUCCESS, SUCCESS]
        assert len(sending.alone.role.performs) == 2

    run(scene)


def test_nothing_is_expected_after_the_end() -> None:
    async def scene() -> None:
        sending = Sending()
        sending.answer(sending.send())
        sending.send()
        sending.alone.end.close()
        await sending.alone.settle()
        assert isinstance(sending.outcomes[-1], AssociationError)
        assert not sending.is_expecting
        assert sending.engine.upper.take_whole is None

    run(scene)


def test_an_error_of_who_takes_the_status_ends_the_association(caplog) -> None:
    async def scene() -> None:
        def fail(_: object) -> None:
            raise RuntimeError("a bug")

        sending = Sending()
        sending.answer(sending.send())
        uids = wire.CT, "1.2.30"
        request = CStoreRQ(sending.engine.in_flight.next_message_id(), *uids)
        sending.engine.in_flight.invoke_now(sending.context, request, DATA, fail)
        sending.answer(request)
        assert sending.engine.ended is not None
        assert "failed" in caplog.text

    run(scene)

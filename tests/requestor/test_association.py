"""The life of an association in the requestor role, with peers that misbehave on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from dataclasses import replace

import pytest
import trustme

from gateway import requestor
from gateway.errors import LocalProtocolError
from gateway.requestor import (
    BASIC_SYNTAXES,
    Aborted,
    Address,
    NotAccepted,
    Proposal,
    Rejected,
    Released,
    TimedOut,
    Timeouts,
    Unreachable,
    associate,
)
from gateway.ul.items import SopClassCommonExtended, UserIdentityRQ
from tests.patience import PATIENCE, WALL
from tests.peers import wire
from tests.peers.raw import EOF, RESET
from tests.requestor.scripted import Acceptor, scripted

VERIFICATION = wire.VERIFICATION
PROPOSAL = Proposal(((VERIFICATION, BASIC_SYNTAXES),), "ME", "YOU")
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
QUICK = Timeouts(*[0.5 * PATIENCE] * 6)
PATIENT = Timeouts.all(10)


def with_peer(script, test, *, proposal=PROPOSAL, timeouts=PATIENT, **options):
    """Run `test(association)` against a scripted peer."""

    async def work(address):
        association = await associate(Address(*address), proposal, timeouts=timeouts, **options)
        try:
            return await test(association)
        finally:
            await association.close()

    with scripted(script) as address:
        return asyncio.run(work(address))


async def echo(association):
    return await association.c_echo()


def test_everything_that_can_be_proposed_is_on_the_wire() -> None:
    proposal = Proposal(
        ((VERIFICATION, BASIC_SYNTAXES), (wire.CT, (wire.JPEG_BASELINE,))),
        "ME",
        "YOU",
        max_pdu=4096,
        roles={wire.CT: (False, True)},
        async_ops=(3, 2),
        extended={wire.CT: b"\x01\x02"},
        common_extended=(SopClassCommonExtended(wire.CT, "1.2.840.10008.4.2", (wire.MR,)),),
        identity=UserIdentityRQ(2, True, b"user", b"secret"),
    )

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        assert acceptor.request[10:42] == wire.title("YOU") + wire.title("ME")
        assert acceptor.proposed == [
            (1, VERIFICATION, list(BASIC_SYNTAXES)),
            (3, wire.CT, [wire.JPEG_BASELINE]),
        ]
        user = dict(acceptor.user)
        assert user[0x51] == (4096).to_bytes(4, "big")
        assert wire.item(0x53, user[0x53]) == wire.async_window(3, 2)
        assert wire.item(0x54, user[0x54]) == wire.role(wire.CT, 0, 1)
        assert wire.item(0x56, user[0x56]) == wire.sop_extended(wire.CT, b"\x01\x02")
        assert wire.MR.encode() in user[0x57]
        assert wire.item(0x58, user[0x58]) == wire.user_identity(2, b"user", b"secret", reply=1)
        acceptor.release()

    async def test(association) -> None:
        assert association.remote[0] == "127.0.0.1"
        assert {c.abstract_syntax for c in association.accepted_contexts.values()} == {
            VERIFICATION,
            wire.CT,
        }
        await association.release()
        assert isinstance(association.ended, Released)

    with_peer(script, test, proposal=proposal)


def test_no_context_is_a_local_error() -> None:
    with pytest.raises(LocalProtocolError):
        asyncio.run(associate(Address("127.0.0.1", 1), Proposal(())))


def test_bind_address() -> None:
    def script(acceptor: Acceptor) -> None:
        assert acceptor.peer.sock.getpeername()[0] == "127.0.0.3"
        acceptor.accept()
        acceptor.release()

    async def work(address) -> None:
        where = Address(*address, bind=("127.0.0.3", 0))
        association = await associate(where, PROPOSAL, timeouts=PATIENT)
        assert association.local[0] == "127.0.0.3"
        await association.release()

    with scripted(script) as address:
        asyncio.run(work(address))


@pytest.mark.parametrize(
    ("rejection", "words", "transient"),
    [
        (
            (1, 1, 7),
            "permanently by the peer's service user: called AE title not recognized",
            False,
        ),
        ((1, 2, 2), "protocol version not supported", False),
        ((2, 3, 1), "for now by the peer's service provider (presentation): temporary", True),
        ((2, 3, 2), "local limit exceeded (result 2, source 3, reason 2)", True),
        ((1, 9, 4), "reserved source: reserved reason (result 1, source 9, reason 4)", False),
        ((0, 1, 1), "reserved result by the peer's service user: no reason given (result 0", None),
    ],
)
def test_rejection_in_words(rejection, words, transient) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.take_request()
        acceptor.peer.send(wire.associate_rj(*rejection))
        assert acceptor.peer.recv_pdu() == EOF

    with pytest.raises(Rejected) as caught:
        with_peer(script, echo)
    assert words in str(caught.value)
    assert caught.value.rejection.result == {True: 2, False: 1, None: 0}[transient]


def test_refused_context_says_why() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept(refuse=(VERIFICATION,))
        acceptor.release()

    async def test(association) -> None:
        with pytest.raises(NotAccepted, match=r"Verification.*abstract syntax not supported"):
            await association.c_echo()
        with pytest.raises(NotAccepted, match="CT Image Storage was not proposed"):
            association.context_for(wire.CT)
        assert association.ended is None
        await association.release()

    with_peer(script, test)


@pytest.mark.parametrize("surplus", [(77, 3, ""), (77, 0, wire.IMPLICIT), (2, 0, wire.IMPLICIT)])
def test_an_answer_to_a_context_that_was_not_proposed_changes_nothing(surplus, caplog) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.take_request()
        acceptor.peer.send(wire.associate_ac((1, 0, wire.IMPLICIT), surplus))
        acceptor.respond(acceptor.message(), 0)
        acceptor.release()

    with_peer(script, echo)
    assert f"A-ASSOCIATE-AC: context {surplus[0]} was not proposed" in caplog.text


def hang(acceptor: Acceptor) -> None:
    """Read until the other side goes."""
    assert acceptor.peer.recv_all()[-1] in (EOF,) or RESET


def accept_then(*answers: bytes):
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.message()
        for answer in answers:
            acceptor.peer.send(answer)
        if answers:
            hang(acceptor)

    return script


ECHO_RSP = wire.message(1, wire.echo_rsp(1))


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        pytest.param(accept_then(), Aborted, "closed the connection without", id="closes"),
        pytest.param(accept_then(ECHO_RSP[:-9]), TimedOut, "C-ECHO-RQ", id="stops"),
        pytest.param(accept_then(wire.abort(0, 0)), Aborted, "service user", id="A-ABORT user"),
        pytest.param(
            accept_then(wire.abort(2, 6)), Aborted, "invalid PDU parameter value", id="A-P-ABORT"
        ),
        pytest.param(
            accept_then(wire.message(1, wire.echo_rsp(77))), Aborted, "no sense", id="other ID"
        ),
        pytest.param(
            accept_then(wire.message(1, wire.store_rsp("1.2", 1))), Aborted, "no sense", id="other"
        ),
        pytest.param(accept_then(wire.message(1, b"garbage!")), Aborted, "no sense", id="garbage"),
        pytest.param(
            accept_then(wire.p_data(wire.pdv(99, 3, wire.echo_rsp(1)))),
            Aborted,
            "broke the protocol",
            id="context",
        ),
        pytest.param(accept_then(wire.pdu(9, b"")), Aborted, "broke the protocol", id="PDU"),
        pytest.param(accept_then(b"HTTP/1.1 400 Bad Request\r\n"), Aborted, "broke", id="HTTP"),
        pytest.param(accept_then(wire.release_rq()), Released, "peer released", id="releases"),
    ],
)
def test_answers_to_an_echo_that_are_none(script, error, words) -> None:
    with pytest.raises(error, match=words):
        with_peer(script, echo, timeouts=QUICK)


def test_closing_in_the_middle_of_a_message_is_named() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.message()
        acceptor.peer.send(wire.p_data(wire.pdv(1, 1, wire.echo_rsp(1)[:20])))

    with pytest.raises(Aborted, match="in the middle of a message"):
        with_peer(script, echo)


def test_response_after_the_final_one_is_aborted() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.message()
        acceptor.peer.send(ECHO_RSP + ECHO_RSP)
        assert acceptor.peer.recv_pdu() == wire.abort(0, 0)

    async def test(association) -> None:
        assert (await association.c_echo()).status == 0
        with pytest.raises(Aborted, match="not in flight"):
            await association.c_echo()

    with_peer(script, test)


def test_a_response_without_end_is_not_collected() -> None:
    """A C-ECHO-RSP has no data set: one that comes is thrown away, and must end in time."""

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.message()
        endless = wire.command_set(
            wire.element(0x0100, wire.us(0x8030)),
            wire.element(0x0120, wire.us(1)),
            wire.element(0x0800, wire.us(1)),
            wire.element(0x0900, wire.us(0)),
        )
        acceptor.peer.send(wire.p_data(wire.pdv(1, 3, endless)))
        piece = wire.p_data(wire.pdv(1, 0, bytes(16000)))
        while acceptor.peer.try_send(piece):
            pass

    with pytest.raises(TimedOut, match="C-ECHO-RQ"):
        with_peer(script, echo, timeouts=QUICK)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param(
            lambda a: hang(a),
            f"no answer to the A-ASSOCIATE-RQ in {QUICK.acse:g} s",
            id="associate",
        ),
        pytest.param(lambda a: (a.accept(), hang(a)), "no response to the C-ECHO-RQ", id="echo"),
    ],
)
def test_silence(script, words) -> None:
    with pytest.raises(TimedOut, match=words):
        with_peer(script, echo, timeouts=QUICK)


def test_silence_after_the_release_request() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        assert acceptor.peer.recv_all() == [wire.release_rq(), wire.abort(0, 0), EOF]

    async def test(association) -> None:
        with pytest.raises(TimedOut, match="A-RELEASE-RQ"):
            await association.release()

    with_peer(script, test, timeouts=QUICK)


@pytest.mark.parametrize("is_releasing", [False, True], ids=["echo", "release"])
def test_a_flood_is_no_answer(is_releasing: bool) -> None:
    """The peer has more than its turn at any time, and what it sends answers nothing."""
    flood = wire.p_data(wire.pdv(1, 3, wire.cancel_rq(7))) * 1000

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        with contextlib.suppress(OSError):  # a reset, or a broken pipe
            while True:
                acceptor.peer.send(flood)

    async def test(association) -> None:
        await (association.release() if is_releasing else association.c_echo())

    with pytest.raises(TimedOut, match="A-RELEASE-RQ" if is_releasing else "C-ECHO-RQ"):
        with_peer(script, test, timeouts=QUICK)


def test_a_response_that_trickles_is_given_up() -> None:
    timeouts = replace(PATIENT, data_rate=1024, rate_period=0.2 * PATIENCE)
    over = threading.Event()

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        asked = acceptor.message()
        command = wire.command_set(
            wire.element(0x0002, wire.uid_value(FIND)),
            wire.element(0x0100, wire.us(0x8020)),
            wire.element(0x0120, wire.us(asked.message_id)),
            wire.element(0x0800, wire.us(1)),
            wire.element(0x0900, wire.us(0xFF00)),
        )
        acceptor.peer.send(wire.message(asked.context_id, command, bytes(4000))[:-3000])
        assert over.wait(WALL)

    async def test(association) -> None:
        try:
            operation = await association.c_find(FIND, b"")
            with pytest.raises(TimedOut, match="less than 1024 bytes/s of a message"):
                await operation.next()
        finally:
            over.set()

    with_peer(script, test, proposal=Proposal(((FIND, BASIC_SYNTAXES),)), timeouts=timeouts)


def test_idle_association_is_given_up_after_the_network_timeout() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        assert acceptor.peer.recv_all() == [wire.abort(0, 0), EOF]

    async def test(association) -> None:
        await association.wait_ended()
        assert "nothing happened on the association" in str(association.ended)

    with_peer(script, test, timeouts=QUICK)


def test_release_collision() -> None:
    """Table 9-10: Sta7, Sta9, AR-9, Sta11, AR-3."""

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        assert acceptor.peer.recv_pdu() == wire.release_rq()
        acceptor.peer.send(wire.release_rq())
        assert acceptor.peer.recv_pdu() == wire.release_rp()
        acceptor.peer.send(wire.release_rp())
        assert acceptor.peer.recv_pdu() == EOF

    async def test(association) -> None:
        await association.release()

    with_peer(script, test)


def test_abort_is_sent_once() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        assert acceptor.peer.recv_all() == [wire.abort(0, 0), EOF]

    async def test(association) -> None:
        await association.abort()
        await association.abort()
        with pytest.raises(Aborted, match="this side aborted"):
            await association.c_echo()
        with pytest.raises(Aborted):
            await association.release()

    with_peer(script, test)


def test_peer_that_does_not_read() -> None:
    """The data set is longer than all buffers: not even an A-ABORT gets through."""
    done = threading.Event()

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        assert done.wait(WALL)

    proposal = Proposal(((wire.CT, (wire.EXPLICIT,)),))
    instance = requestor.Instance(wire.CT, "1.2.3", wire.EXPLICIT, 0, data=bytes(32 * 1024 * 1024))

    async def test(association) -> None:
        try:
            with pytest.raises(TimedOut, match="did not read"):
                await association.c_store(instance)
        finally:
            done.set()

    with_peer(script, test, proposal=proposal, timeouts=QUICK)


def test_abort_is_heard_while_sending() -> None:
    """The peer reads nothing more and says why: that, and no broken pipe, is told."""
    told = threading.Event()

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.peer.recv_pdu()
        acceptor.peer.send(wire.abort(2, 5))
        assert told.wait(WALL)

    proposal = Proposal(((wire.CT, (wire.EXPLICIT,)),))
    instance = requestor.Instance(wire.CT, "1.2.3", wire.EXPLICIT, 0, data=bytes(32 * 1024 * 1024))

    async def test(association) -> None:
        try:
            with pytest.raises(Aborted, match="unexpected PDU parameter"):
                await association.c_store(instance)
        finally:
            told.set()

    with_peer(script, test, proposal=proposal)


def test_no_connection_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(Unreachable, match=f"no connection to 127.0.0.1:{port}: Connection refused"):
        asyncio.run(associate(Address("127.0.0.1", port), PROPOSAL))


def test_cancelled_while_associating_leaves_nothing() -> None:
    asked = threading.Event()

    def script(acceptor: Acceptor) -> None:
        acceptor.take_request()
        asked.set()
        assert acceptor.peer.recv_all()[-1] in (EOF,) or RESET

    async def work(address) -> None:
        task = asyncio.create_task(associate(Address(*address), PROPOSAL, timeouts=PATIENT))
        await asyncio.to_thread(asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with scripted(script) as address:
        asyncio.run(work(address))


def test_tracer_sees_states_and_pdus() -> None:
    seen = []

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.release()

    async def test(association) -> None:
        await association.release()

    with_peer(script, test, tracer=seen.extend)
    kinds = [record.pdu_type for record in seen if hasattr(record, "pdu_type")]
    assert kinds == [wire.RQ, wire.AC, wire.RELEASE_RQ, wire.RELEASE_RP]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


class TestTls:
    """TLS by a context of the caller's."""

    def serve(self, authority, names=("localhost",)):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*names).configure_cert(context)
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with listener:
                sock, _ = listener.accept()
                with sock:
                    try:
                        secure = context.wrap_socket(sock, server_side=True)
                    except (ssl.SSLError, ConnectionError):
                        return
                    with secure:
                        secure.recv(65536)
                        secure.sendall(wire.associate_ac((1, 0, wire.EXPLICIT)))
                        assert secure.recv(65536) == wire.release_rq()
                        secure.sendall(wire.release_rp())
                        secure.settimeout(WALL)
                        with contextlib.suppress(ssl.SSLError):
                            assert secure.recv(1) == b""

        thread = threading.Thread(target=run)
        thread.start()
        return listener.getsockname()[1], thread

    def test_association(self, authority) -> None:
        port, thread = self.serve(authority)
        context = ssl.create_default_context()
        authority.configure_trust(context)

        async def work() -> None:
            address = Address("127.0.0.1", port, tls=context, server_name="localhost")
            association = await associate(address, PROPOSAL, timeouts=PATIENT)
            await association.release()

        asyncio.run(work())
        thread.join(WALL)

    def test_unknown_authority_in_words(self, authority) -> None:
        port, thread = self.serve(authority)
        context = ssl.create_default_context()
        address = Address("127.0.0.1", port, tls=context, server_name="localhost")
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            asyncio.run(associate(address, PROPOSAL, timeouts=PATIENT))
        thread.join(WALL)

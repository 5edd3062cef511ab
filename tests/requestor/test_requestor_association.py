"""The DIMSE services over an association: what is sent, who gets which answer, what is refused."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dimse.message import CFindRQ
from gateway.requestor import (
    BASIC_SYNTAXES,
    Aborted,
    Collect,
    Instance,
    Proposal,
    Released,
    Reply,
    TimedOut,
    Timeouts,
    describe_status,
)
from gateway.requestor.status_text import printable
from gateway.uid import KEYWORDS
from tests.patience import WALL
from tests.peers import wire
from tests.requestor.scripted import Acceptor, one_at_a_time, scripted
from tests.requestor.test_association import QUICK, hang, with_peer

FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
GET = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]
MOVE = KEYWORDS["StudyRootQueryRetrieveInformationModelMove"]
MPPS = KEYWORDS["ModalityPerformedProcedureStep"]
COMMITMENT = KEYWORDS["StorageCommitmentPushModel"]
PRINTER = KEYWORDS["Printer"]
PRINT = KEYWORDS["BasicGrayscalePrintManagementMeta"]

QUERY = Proposal(((FIND, (wire.EXPLICIT,)),))
STORE = Proposal(((wire.CT, (wire.EXPLICIT,)),))
GETTING = Proposal(
    ((GET, (wire.EXPLICIT,)), (wire.CT, (wire.EXPLICIT,))), roles={wire.CT: (False, True)}
)
GRANTED = wire.role(wire.CT, 0, 1)


def instance(uid: str = "1.2.3", data: bytes = b"data") -> Instance:
    return Instance(wire.CT, uid, wire.EXPLICIT, len(data), data=data)


def test_find_yields_each_match_and_the_final_response() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        assert (message.field, message.data_set) == (0x0020, b"in " + wire.EXPLICIT.encode())
        for number in range(3):
            acceptor.respond(message, 0xFF00, b"match%d" % number)
        acceptor.respond(message, 0)
        acceptor.release()

    async def test(association) -> None:
        operation = await association.c_find(FIND, lambda syntax: b"in " + syntax.encode())
        got = [(one.status, one.data_set) async for one in operation]
        assert got == [(0xFF00, b"match0"), (0xFF00, b"match1"), (0xFF00, b"match2"), (0, None)]
        assert await operation.next() is None
        await association.release()

    with_peer(script, test, proposal=QUERY)


def test_cancel_is_sent_and_the_matches_on_their_way_are_given() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        acceptor.respond(message, 0xFF00, b"one")
        cancel = acceptor.message()
        assert cancel.field == 0x0FFF
        assert cancel.command[0x0120] == message.command[0x0110]
        assert cancel.context_id == message.context_id
        acceptor.respond(message, 0xFF00, b"two")
        acceptor.respond(message, 0xFE00)
        acceptor.release()

    async def test(association) -> None:
        operation = await association.c_find(FIND, b"")
        statuses = []
        async for answered in operation:
            statuses.append(answered.status)
            if len(statuses) == 1:
                await operation.cancel()
        assert statuses == [0xFF00, 0xFF00, 0xFE00]
        await operation.cancel()  # it is over: nothing is sent
        await association.release()

    with_peer(script, test, proposal=QUERY)


def test_leaving_a_query_early_cancels_it_and_the_association_lives() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        for _ in range(1000):  # more than is held for somebody who does not take them
            acceptor.respond(message, 0xFF00, b"match")
        assert acceptor.message().field == 0x0FFF
        second = acceptor.message()
        acceptor.respond(message, 0xFE00)
        acceptor.respond(second, 0)
        acceptor.release()

    async def test(association) -> None:
        async with await association.c_find(FIND, b"") as operation:
            assert (await operation.next()).data_set == b"match"
        assert (await (await association.c_find(FIND, b"")).final()).status == 0
        await association.release()

    proposal = Proposal(QUERY.contexts, async_ops=(2, 1))

    def windowed(acceptor: Acceptor) -> None:
        original = acceptor.accept
        acceptor.accept = lambda: original(wire.async_window(2, 1))
        script(acceptor)

    with_peer(windowed, test, proposal=proposal)


@pytest.mark.parametrize(("count", "size", "limit"), [(20_000, 1024, 2000), (60, 1 << 20, 20)])
def test_responses_that_nobody_takes_stop_the_reading(count: int, size: int, limit: int) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        for _ in range(count):
            acceptor.respond(message, 0xFF00, bytes(size))
        acceptor.respond(message, 0)
        acceptor.release()

    async def test(association) -> None:
        operation = await association.c_find(FIND, b"")
        while not association.engine.transport.is_paused:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
        most, got = 0, 0
        async for _ in operation:
            got += 1
            most = max(most, operation.unread)
        assert got == count + 1
        assert most < limit
        await association.release()

    with_peer(script, test, proposal=QUERY)


def test_several_operations_up_to_the_window_in_any_order() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept(wire.async_window(2, 1))
        first, second = acceptor.message(), acceptor.message()
        assert first.message_id != second.message_id
        acceptor.respond(second, 0xB000)
        third = acceptor.message()
        acceptor.respond(third, 0)
        acceptor.respond(first, 0xA700)
        acceptor.release()

    async def test(association) -> None:
        assert association.window == 2
        stores = [association.c_store(instance(f"1.2.{n}")) for n in range(3)]
        statuses = [one.status for one in await asyncio.gather(*stores)]
        assert statuses == [0xA700, 0xB000, 0]
        await association.release()

    with_peer(script, test, proposal=Proposal(STORE.contexts, async_ops=(0, 1)))


def test_without_a_window_one_after_the_other() -> None:
    script = one_at_a_time("1.2.0", "1.2.1", "1.2.2")

    async def test(association) -> None:
        assert association.window == 1
        await asyncio.gather(*(association.c_store(instance(f"1.2.{n}")) for n in range(3)))
        await association.release()

    with_peer(script, test, proposal=STORE)


def test_end_of_the_association_ends_every_operation_and_those_that_wait() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.message()
        acceptor.peer.send(wire.abort(0, 0))

    async def test(association) -> None:
        stores = [association.c_store(instance(f"1.2.{n}")) for n in range(3)]
        results = await asyncio.gather(*stores, return_exceptions=True)
        assert [type(one) for one in results] == [Aborted] * 3

    with_peer(script, test, proposal=STORE)


def test_one_answered_operation_does_not_excuse_another() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept(wire.async_window(2, 1))
        acceptor.message()
        second = acceptor.message()
        acceptor.respond(second, 0)
        hang(acceptor)

    async def test(association) -> None:
        stores = [association.c_store(instance(f"1.2.{n}")) for n in range(2)]
        first, second = await asyncio.gather(*stores, return_exceptions=True)
        assert isinstance(first, TimedOut)
        assert second.status == 0

    with_peer(script, test, proposal=Proposal(STORE.contexts, async_ops=(2, 1)), timeouts=QUICK)


def test_a_peer_that_performs_one_after_the_other_has_time_for_each() -> None:
    """Together they take longer than the DIMSE timeout."""

    def script(acceptor: Acceptor) -> None:
        acceptor.accept(wire.async_window(4, 1))
        messages = [acceptor.message() for _ in range(4)]
        for message in messages:
            acceptor.peer.sock.settimeout(QUICK.dimse / 2)
            with pytest.raises(TimeoutError):
                acceptor.peer.recv_pdu()
            acceptor.respond(message, 0)
        acceptor.peer.sock.settimeout(WALL)
        acceptor.release()

    async def test(association) -> None:
        stores = [association.c_store(instance(f"1.2.{n}")) for n in range(4)]
        assert [one.status for one in await asyncio.gather(*stores)] == [0] * 4
        await association.release()

    with_peer(script, test, proposal=Proposal(STORE.contexts, async_ops=(4, 1)), timeouts=QUICK)


def test_slow_data_set_of_a_response_is_waited_for() -> None:
    """Each piece comes within the DIMSE timeout, all of it does not."""

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        acceptor.peer.sock.settimeout(0.2)
        command = wire.command_set(
            wire.element(0x0100, wire.us(0x8020)),
            wire.element(0x0120, wire.us(message.message_id)),
            wire.element(0x0800, wire.us(1)),
            wire.element(0x0900, wire.us(0xFF00)),
        )
        acceptor.peer.send(wire.p_data(wire.pdv(1, 3, command)))
        for _ in range(4):
            acceptor.peer.send(wire.p_data(wire.pdv(1, 0, b"piece ")))
            with pytest.raises(TimeoutError):
                acceptor.peer.recv_pdu()
        acceptor.peer.send(wire.p_data(wire.pdv(1, 2, b"end")))
        acceptor.peer.sock.settimeout(WALL)
        acceptor.respond(message, 0)
        acceptor.release()

    async def test(association) -> None:
        operation = await association.c_find(FIND, b"")
        assert (await operation.next()).data_set == b"piece " * 4 + b"end"
        assert (await operation.final()).status == 0
        await association.release()

    with_peer(script, test, proposal=QUERY, timeouts=QUICK)


def test_move_and_its_counters() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        assert message.command[0x0600] == b"WORKSTATION "
        counters = wire.element(0x1021, wire.us(7)), wire.element(0x1022, wire.us(1))
        acceptor.respond(message, 0xB000, None, *counters)
        acceptor.release()

    async def test(association) -> None:
        operation = await association.c_move(MOVE, b"", "WORKSTATION")
        response = (await operation.final()).response
        assert response.number_of_completed_suboperations == 7
        assert response.number_of_failed_suboperations == 1
        await association.release()

    with_peer(script, test, proposal=Proposal(((MOVE, BASIC_SYNTAXES),)))


def get_script(*instances: bytes, expect: list[int]):
    """A C-GET whose sub-operations carry these data sets."""

    def script(acceptor: Acceptor) -> None:
        acceptor.accept(GRANTED)
        request = acceptor.message()
        statuses = []
        for number, data in enumerate(instances):
            store = wire.store_rq(f"1.2.{number}", 100 + number)
            acceptor.peer.send(wire.message(3, store, data))
            answer = acceptor.message()
            assert answer.field == 0x8001
            assert answer.command[0x0120] == wire.us(100 + number)
            statuses.append(int.from_bytes(answer.command[0x0900], "little"))
        assert statuses == expect
        acceptor.respond(request, 0)
        acceptor.release()

    return script


async def fetch(association) -> None:
    operation = await association.c_get(GET, b"")
    assert (await operation.final()).status == 0
    await association.release()


def test_get_hands_the_instances_to_the_handler() -> None:
    seen = []

    def handler(incoming):
        uid = incoming.request.affected_sop_instance_uid

        def answer(data: bytes):
            seen.append((uid, data))
            return Reply(0xB000) if uid == "1.2.1" else 0

        return Collect(answer)

    big = bytes(range(256)) * 4000
    script = get_script(b"first", big, b"", expect=[0, 0xB000, 0])
    with_peer(script, fetch, proposal=GETTING, handler=handler)
    assert seen == [("1.2.0", b"first"), ("1.2.1", big), ("1.2.2", b"")]


def test_handler_may_refuse_raise_or_run_out_of_space() -> None:
    def handler(incoming):
        number = int(incoming.request.affected_sop_instance_uid[-1])
        if number == 0:
            return 0xA700
        if number == 1:
            raise RuntimeError("handler")
        if number == 2:
            return Full()
        if number == 3:
            return Collect(lambda _: 1 // 0)
        return Broken(lambda _: 0)

    class Broken(Collect):
        def write(self, data) -> None:
            raise RuntimeError("receiver")

        def discard(self) -> None:
            raise RuntimeError("again")

    class Full:
        def write(self, data) -> None:
            raise OSError(28, "No space left on device")

        async def finish(self) -> int:
            raise AssertionError("not complete")

        def discard(self) -> None:
            pass

    data = bytes(100_000)
    expect = [0xA700, 0x0110, 0xA700, 0x0110, 0x0110]
    script = get_script(data, data, data, data, data, expect=expect)
    with_peer(script, fetch, proposal=GETTING, handler=handler)


def test_no_handler_no_success() -> None:
    with_peer(get_script(b"data", expect=[0x0211]), fetch, proposal=GETTING)


def test_request_in_a_role_we_do_not_have_is_refused() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.peer.send(wire.message(1, wire.store_rq("1.2.3", 9), b"pushed"))
        answer = acceptor.message()
        assert answer.command[0x0900] == wire.us(0x0211)
        acceptor.peer.send(wire.message(1, wire.echo_rq(10)))
        assert acceptor.message().command[0x0900] == wire.us(0x0122)
        unknown = wire.command_set(
            wire.element(0x0100, wire.us(0x0777)),
            wire.element(0x0110, wire.us(11)),
            wire.element(0x0800, wire.us(wire.NO_DATA_SET)),
        )
        acceptor.peer.send(wire.message(1, unknown))
        assert acceptor.message().command[0x0900] == wire.us(0x0211)
        acceptor.release()

    async def test(association) -> None:
        await association.wait_ended(QUICK.dimse)
        await association.release()

    with_peer(script, test, proposal=STORE, handler=lambda _: 0)


def test_event_report_on_our_association() -> None:
    seen = []

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        action = acceptor.message()
        assert action.command[0x1008] == wire.us(1)
        acceptor.respond(action, 0)
        report = wire.command_set(
            wire.element(0x0002, wire.uid_value(COMMITMENT)),
            wire.element(0x0100, wire.us(0x0100)),
            wire.element(0x0110, wire.us(5)),
            wire.element(0x0800, wire.us(1)),
            wire.element(0x1000, wire.uid_value("1.2.840.10008.1.20.1.1")),
            wire.element(0x1002, wire.us(1)),
        )
        acceptor.peer.send(wire.message(1, report, b"committed"))
        answer = acceptor.message()
        assert (answer.field, answer.command[0x0900]) == (0x8100, wire.us(0))
        acceptor.peer.send(wire.release_rq())
        assert acceptor.peer.recv_pdu() == wire.release_rp()

    async def test(association) -> None:
        answered = await association.n_action(COMMITMENT, "1.2.840.10008.1.20.1.1", 1, b"these")
        assert answered.status == 0
        await association.wait_ended()
        assert isinstance(association.ended, Released)

    def handler(incoming):
        assert incoming.request.event_type_id == 1
        return Collect(lambda data: seen.append(data) or 0)

    with_peer(script, test, proposal=Proposal(((COMMITMENT, BASIC_SYNTAXES),)), handler=handler)
    assert seen == [b"committed"]


def test_the_normalized_services() -> None:
    uid = "1.2.3.4"

    def script(acceptor: Acceptor) -> None:
        acceptor.accept(wire.role(MPPS, 1, 1))
        seen = []
        for _ in range(6):
            message = acceptor.message()
            own = message.command.get(0x1000) or message.command.get(0x1001)
            seen.append((message.field, own, message.data_set))
            acceptor.respond(message, 0, b"back" if message.field == 0x0110 else None)
        value = wire.uid_value(uid)
        assert seen == [
            (0x0140, value, b"created"),
            (0x0120, value, b"set"),
            (0x0110, value, b""),
            (0x0130, value, b"acted"),
            (0x0150, value, b""),
            (0x0100, value, b"event"),
        ]
        acceptor.release()

    async def test(association) -> None:
        await association.n_create(MPPS, uid, b"created")
        await association.n_set(MPPS, uid, b"set")
        assert (await association.n_get(MPPS, uid, (0x00100010,))).data_set == b"back"
        await association.n_action(MPPS, uid, 1, b"acted")
        await association.n_delete(MPPS, uid)
        assert (await association.n_event_report(MPPS, uid, 2, b"event")).status == 0
        await association.release()

    with_peer(
        script, test, proposal=Proposal(((MPPS, BASIC_SYNTAXES),), roles={MPPS: (True, True)})
    )


def test_context_of_a_meta_sop_class_carries_its_members() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.respond(acceptor.message(), 0)
        acceptor.release()

    async def test(association) -> None:
        answered = await association.n_get(PRINTER, KEYWORDS["PrinterInstance"])
        assert answered.status == 0
        await association.release()

    with_peer(script, test, proposal=Proposal(((PRINT, BASIC_SYNTAXES),)))


def test_source_that_fails_half_way_ends_the_association() -> None:
    def parts():
        yield bytes(3_000_000)
        raise OSError(5, "Input/output error")

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        assert acceptor.peer.recv_all()[-2] == wire.abort(0, 0)

    async def test(association) -> None:
        context = association.context_for(FIND)
        request = CFindRQ(association.next_message_id(), FIND)
        with pytest.raises(Exception, match="Input/output error"):
            await association.invoke(context, request, parts())
        assert "could not be read to its end" in str(association.ended)

    with_peer(script, test, proposal=QUERY)


def test_source_that_fails_at_once_costs_only_its_operation() -> None:
    def parts():
        raise FileNotFoundError(2, "No such file or directory")
        yield b""

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.respond(acceptor.message(), 0)
        acceptor.release()

    async def test(association) -> None:
        context = association.context_for(FIND)
        request = CFindRQ(association.next_message_id(), FIND)
        with pytest.raises(FileNotFoundError):
            await association.invoke(context, request, parts())
        assert (await (await association.c_find(FIND, b"")).final()).status == 0
        await association.release()

    with_peer(script, test, proposal=QUERY)


@pytest.mark.parametrize("limit", [0, 1, 7, 8, 9, 1000, 16384])
def test_fragments_obey_the_peers_maximum_length(limit: int) -> None:
    data = bytes(range(256)) * 3

    def script(acceptor: Acceptor) -> None:
        acceptor.accept(max_length=limit)
        message = acceptor.message()
        assert message.data_set == data
        acceptor.respond(message, 0)
        acceptor.release()

    async def test(association) -> None:
        assert (await association.c_store(instance(data=data))).status == 0
        await association.release()

    with_peer(script, test, proposal=STORE)


def test_prepared_pdus_are_sent_as_they_are() -> None:
    from gateway.dimse.message import CStoreRQ

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        assert message.data_set == b"prepared"
        acceptor.respond(message, 0)
        acceptor.release()

    async def test(association) -> None:
        context = association.context_for(wire.CT)
        request = CStoreRQ(association.next_message_id(), wire.CT, "1.2.3")

        command = request.encode(has_data_set=True)
        pdus = [[wire.message(context.id, command, b"prepared")]]
        operation = await association.invoke_encoded(context, request, pdus)
        assert (await operation.final()).status == 0
        await association.release()

    with_peer(script, test, proposal=STORE)


def test_status_in_words() -> None:
    def words(status: int, comment: bytes = b"") -> str:
        told = []

        def script(acceptor: Acceptor) -> None:
            acceptor.accept()
            more = (wire.element(0x0902, comment),) if comment else ()
            acceptor.respond(acceptor.message(), status, None, *more)
            acceptor.release()

        async def test(association) -> None:
            answered = await association.c_store(instance())
            told.append(describe_status(wire.CT, answered.response))
            await association.release()

        with_peer(script, test, proposal=STORE)
        return told[0]

    assert words(0) == "success (status 0x0000)"
    assert words(0xA700) == "failure: Refused: out of resources (status 0xA700)"
    assert words(0xB000) == "warning: Stored: data elements were coerced (status 0xB000)"
    assert words(0x1234).startswith("unknown")
    assert words(0xC001, b"too big ").endswith('(status 0xC001, the peer says "too big")')
    assert printable("\x1b[31mred\n") == "\\x1b[31mred\\x0a"


def test_scripted_peer_reports_what_it_did_not_expect() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.take_request()
        raise AssertionError("unexpected")

    with pytest.raises(AssertionError, match="unexpected"), scripted(script) as address:
        asyncio.run(_ignore(address))


async def _ignore(address) -> None:
    from gateway.requestor import Address, AssociationError, associate

    with pytest.raises(AssociationError):
        await associate(Address(*address), STORE, timeouts=Timeouts.all(5))

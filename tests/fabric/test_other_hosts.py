"""Workers on other hosts: what a key may do, strangers at the port, data sets in chunks."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from gateway.errors import AlreadyRegistered, ConfigError, FabricError
from gateway.fabric import Answer, Binding, LeaseState, Registration
from gateway.fabric.acceptor import Server
from gateway.fabric.acceptor.claim_chunks import ON_THEIR_WAY
from gateway.fabric.acceptor.interventions import Intervention
from gateway.fabric.acceptor.remote_workers import REFUSED_TOPICS
from gateway.fabric.acceptor.sinks import AwaitedAnswer
from gateway.fabric.wire import curve_keys, envelopes
from gateway.fabric.wire.curve_keys import CurveKeys
from gateway.fabric.wire.frames import VERSION
from gateway.fabric.wire.gateway_places import gateway_at
from gateway.fabric.wire.sockets import make_client
from gateway.fabric.worker import Client, next_generation
from tests.fabric.world import ECHO, FAST, FIND, STORE, WAIT, Member, acceptor, members, take, until
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fabric.other_host import OtherHost

LONG = 3 * 1024 * 1024 + 17


def connecting(host: OtherHost, name: str, **rights: list[str]) -> Any:
    """Return the settings of a worker with a key of its own and these rights."""
    file = host.keys / f"{name}.own"
    curve_keys.write(file, host.allow(name, **rights))
    return host.connecting_with(FAST, file)


def refused(server: Server) -> dict[str, int]:
    return server.facts()["other_hosts"]["refused"]


async def works(server: Server, member: Member) -> None:
    """Check that a worker is asked and answers: nobody has disturbed it."""
    asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
    member.answer(await take(member.requests))
    assert (await asked).final


@contextmanager
def stranger(host: OtherHost, kind: int, port: int, keys: CurveKeys | None) -> Iterator[Any]:
    """Yield a socket that speaks to a port, with keys or without CURVE."""
    with zmq.Context() as context:
        one = context.socket(kind) if keys is None else make_client(context, kind, 1000, keys)
        one.setsockopt(zmq.LINGER, 0)
        one.connect(f"tcp://127.0.0.1:{host.port + port}")
        yield one
        one.close()


def test_a_foreign_key_is_refused_and_told_at_both_ends(
    other_host: OtherHost, caplog: pytest.LogCaptureFixture
) -> None:
    pair = curve_keys.generate()
    curve_keys.write(other_host.keys / "foreign", pair)
    settings = other_host.connecting_with(FAST, other_host.keys / "foreign")

    async def scene() -> None:
        mine = Member(other_host)
        async with acceptor(other_host) as server, members(mine):
            with pytest.raises(FabricError, match="refuses this worker's key") as error:
                await Member(other_host, FIND, worker="x", settings=settings).start()
            assert pair.public.hex() in str(error.value)
            with pytest.raises(FabricError, match="refuses this worker's key"):
                await asyncio.to_thread(next_generation, other_host, "x", settings)
            assert refused(server)["key"] >= 2
            await works(server, mine)

    asyncio.run(scene())
    told = [r.getMessage() for r in caplog.records if "refused=key" in r.getMessage()]
    assert len(told) == 1, "of one kind there is one line in a while"
    assert pair.public.hex() in told[0]
    assert "keys allow" in told[0]


def test_another_server_key_is_told(other_host: OtherHost) -> None:
    settings = replace(other_host.connecting(FAST), server_key=curve_keys.generate().public.hex())

    async def scene() -> None:
        async with acceptor(other_host) as server:
            with pytest.raises(FabricError, match=r"its key is another|do not grant|silent"):
                await asyncio.to_thread(Member(other_host, settings=settings).client.start, 3.0)
            await until(lambda: refused(server).get("protocol", 0) > 0)

    asyncio.run(scene())


def test_an_acceptor_that_says_nothing_after_its_handshake_is_waited_for(
    other_host: OtherHost,
) -> None:
    member = Member(other_host, settings=other_host.connecting(FAST))
    with zmq.Context() as context, context.socket(zmq.ROUTER) as silent:
        silent.setsockopt(zmq.CURVE_SERVER, 1)
        silent.setsockopt(zmq.CURVE_SECRETKEY, other_host.gateway.secret)
        silent.bind(f"tcp://127.0.0.1:{other_host.port}")
        with pytest.raises(FabricError, match="do not grant"):  # its time is up, not its patience
            member.client.start(10 * FAST.heartbeat)


RIGHTS: dict[str, Any] = {"events": ["EVT_C_FIND"], "topics": ["EVT_RELEASED"]}


@pytest.mark.parametrize(
    ("worker", "binding", "topic", "why"),
    [
        ("archive", FIND, "EVT_RELEASED", "may not be worker 'archive'"),
        ("finder", ECHO, "EVT_RELEASED", "may not hold 'EVT_C_ECHO'"),
        ("finder", FIND, "EVT_PDU_RECV", "may not watch 'EVT_PDU_RECV'"),
        ("finder", Binding("EVT_STORE_TRANSFORM"), "EVT_RELEASED", "files of this host"),
    ],
)
def test_a_key_may_do_what_is_listed_and_no_more(
    other_host: OtherHost, worker: str, binding: Binding, topic: str, why: str
) -> None:
    settings = connecting(other_host, "finder", **RIGHTS)

    async def scene() -> None:
        mine = Member(other_host)
        async with acceptor(other_host) as server, members(mine):
            wrong = Member(other_host, binding, worker=worker, settings=settings)
            wrong.client.subscribe(topic)
            with pytest.raises(FabricError, match=why) as error:
                await wrong.start()
            assert not isinstance(error.value, AlreadyRegistered)
            assert not server.wants("EVT_PDU_RECV")
            right = Member(other_host, FIND, worker="finder", settings=settings)
            right.client.subscribe("EVT_RELEASED")
            async with members(right):
                assert server.wants("EVT_RELEASED")
            await until(lambda: not server.wants("EVT_RELEASED"))
            assert refused(server).keys() <= {"permission", "topic"}
            await works(server, mine)

    asyncio.run(scene())


def test_another_name_has_no_generation_and_another_call_is_refused(
    other_host: OtherHost,
) -> None:
    settings = connecting(other_host, "finder", events=["*"], calls=["release"])

    async def scene() -> None:
        member = Member(other_host, FIND, worker="finder", settings=settings)
        async with acceptor(other_host) as server:
            calls: list[Any] = []
            server.on_command = calls.append
            with pytest.raises(FabricError, match="may not be worker 'storage'"):
                await asyncio.to_thread(next_generation, other_host, "storage", settings)
            assert await asyncio.to_thread(next_generation, other_host, "finder", settings) == 1
            async with members(member):
                for operation in ("abort", "transform"):
                    call = member.client.command("acceptor-0", "0", operation, {}, timeout=WAIT)
                    (result,) = await asyncio.to_thread(list, call)
                    assert result.payload["kind"] == "refused"
                member.client.command("acceptor-0", "0", "release", {}, timeout=WAIT)
                await until(lambda: bool(calls))
            assert [call.operation for call in calls] == ["release"]

    asyncio.run(scene())


def test_what_a_key_may_not_publish_is_not_asked_for_and_ends_its_lease(
    other_host: OtherHost,
) -> None:
    settings = connecting(other_host, "finder", events=["*"], publish=["EVT_METRICS"])

    async def scene() -> None:
        watcher = Member(other_host)
        for topic in ("EVT_METRICS", "EVT_INSTANCE_STORED"):
            watcher.client.subscribe(topic)
        member = Member(other_host, FIND, worker="finder", settings=settings)
        async with acceptor(other_host) as server, members(watcher, member):
            link = member.client._membership.links["acceptor-0"]
            await until(lambda: link.watched == {"EVT_METRICS"})
            assert member.client.publish("acceptor-0", "EVT_METRICS", {"process": "p"})
            assert (await take(watcher.notifications)).topic == "EVT_METRICS"
            for _ in range(3):
                member.client.publish("acceptor-0", "EVT_INSTANCE_STORED", {})
            await until(lambda: any(s is LeaseState.ENDED for s, _ in list(member.states.queue)))
            assert watcher.notifications.empty()
            assert refused(server)["permission"] == 3
            await works(server, watcher)

    asyncio.run(scene())


def test_a_revoked_key_loses_its_lease_and_hears_nothing(other_host: OtherHost) -> None:
    settings = connecting(other_host, "finder")

    async def scene() -> None:
        mine = Member(other_host)
        member = Member(other_host, FIND, worker="finder", settings=settings)
        for one in (mine, member):
            one.client.subscribe("EVT_RELEASED")
        async with acceptor(other_host) as server, members(mine, member):
            allowed = (other_host.keys / "allowed.toml").read_text().split("[[allow]]")
            kept = [row for row in allowed if '"finder"' not in row]
            other_host.write_allowed("[[allow]]".join(kept))
            await until(lambda: any(s is LeaseState.ENDED for s, _ in list(member.states.queue)))
            detail = [text for s, text in list(member.states.queue) if s is LeaseState.ENDED]
            assert "its key was revoked or blocked" in detail[0]
            assert not server.is_held("EVT_C_FIND") or server.facts()["workers"]["finder"]
            await until(lambda: server.wants("EVT_RELEASED"))  # of the other one, connected anew
            server.publish("EVT_RELEASED", {})
            assert (await take(mine.notifications)).topic == "EVT_RELEASED"
            assert member.notifications.empty()
            await works(server, mine)

    asyncio.run(scene())


@pytest.mark.parametrize("port", [0, 1], ids=["requests", "events"])
@pytest.mark.parametrize("mechanism", ["null", "plain"])
def test_other_mechanisms_are_refused(other_host: OtherHost, port: int, mechanism: str) -> None:
    async def scene() -> None:
        mine = Member(other_host)
        async with acceptor(other_host) as server, members(mine):
            with stranger(other_host, zmq.DEALER, port, None) as plain:
                if mechanism == "plain":
                    plain.plain_username, plain.plain_password = b"w", b"w"
                    plain.connect(f"tcp://127.0.0.1:{other_host.port + port}")
                plain.send(envelopes.Heartbeat("").encode())
                await until(lambda: refused(server).keys() & {"protocol", "handshake"} != set())
                assert not plain.poll(0)
            await works(server, mine)

    asyncio.run(scene())


def test_garbage_and_a_flood_of_half_open_connections_disturb_nobody(
    other_host: OtherHost,
) -> None:
    async def scene() -> None:
        mine = Member(other_host)
        settings = replace(FAST, connections=16)
        async with acceptor(other_host, settings=settings) as server, members(mine):
            garbage = [socket.create_connection(("127.0.0.1", other_host.port)) for _ in range(4)]
            for number, one in enumerate(garbage):
                one.sendall([b"GET / HTTP/1.0\r\n\r\n" * 9, os.urandom(200)][number % 2])
            flood = []
            for _ in range(64):
                one = socket.socket()
                one.setblocking(False)
                flood.append(one)
                one.connect_ex(("127.0.0.1", other_host.port))
            await until(lambda: refused(server).get("flood", 0) > 0)
            await until(lambda: server.facts()["other_hosts"]["connections"] <= 17)
            await works(server, mine)
            for one in (*garbage, *flood):
                one.close()
            await until(lambda: server.facts()["other_hosts"]["connections"] <= 2)
            late = Member(other_host, FIND, worker="late")
            async with members(late):
                assert server.is_held("EVT_C_FIND")

    asyncio.run(scene())


def test_replayed_traffic_is_refused(other_host: OtherHost) -> None:
    """The bytes of a whole session, recorded on the way and sent again, get nobody in."""
    recorded: list[bytes] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection("127.0.0.1", other_host.port)

        async def pump(
            source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, keep: bool
        ) -> None:
            while data := await source.read(1 << 16):
                if keep:
                    recorded.append(data)
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, back, keep=True), pump(onward, writer, keep=False))

    async def scene() -> None:
        mine = Member(other_host)
        async with acceptor(other_host) as server, members(mine):
            tap = await asyncio.start_server(relay, "127.0.0.1", 0)
            port = tap.sockets[0].getsockname()[1]
            pair = other_host.allow("finder")
            with zmq.Context() as context:
                keys = CurveKeys(other_host.gateway.public, pair)
                one = make_client(context, zmq.DEALER, 10, keys)
                one.connect(f"tcp://127.0.0.1:{port}")
                register = envelopes.Register(
                    VERSION, "finder", 1, 0, 1, 0, "", "i", False, 1, (FIND,)
                )
                one.send(register.encode())
                await until(lambda: server.is_held("EVT_C_FIND"))
                one.close()
            tap.close()
            before = len(server._registry.members)
            again = socket.create_connection(("127.0.0.1", other_host.port))
            again.sendall(b"".join(recorded))
            await until(lambda: refused(server).keys() & {"protocol", "handshake"} != set())
            again.close()
            assert len(server._registry.members) <= before
            await works(server, mine)

    asyncio.run(scene())


def test_many_refused_subscriptions_are_forgotten(other_host: OtherHost) -> None:
    pair = other_host.allow("finder", events=["EVT_C_FIND"])

    async def scene() -> None:
        mine = Member(other_host)
        mine.client.subscribe("EVT_RELEASED")
        async with acceptor(other_host) as server, members(mine):
            keys = CurveKeys(other_host.gateway.public, pair)
            with stranger(other_host, zmq.XSUB, 1, keys) as hostile:
                before = server._remote._workers._xpub  # type: ignore[union-attr]
                for number in range(REFUSED_TOPICS + 1):
                    hostile.send(b"\1EVT_RELEASED\0" + b"%16d" % number)
                workers = server._remote._workers  # type: ignore[union-attr]
                await until(lambda: workers._xpub is not before)
                await until(lambda: refused(server).get("key", 0) > 0)
                assert workers.keys.of(pair.public) is None
            await until(lambda: server.wants("EVT_RELEASED"))
            server.publish("EVT_RELEASED", {})
            assert (await take(mine.notifications)).topic == "EVT_RELEASED"

    asyncio.run(scene())


# -- data sets in files


def storing(host: OtherHost, folder: Path, **more: Any) -> tuple[Client, list[Any]]:
    """Return a client that answers EVT_C_STORE with what it finds in the file."""
    found: list[Any] = []

    def on_requests(requests: list[Any]) -> None:
        for request in requests:
            path = Path(request.payload["claim"]["path"])
            found.append((path, path.read_bytes()))
            client.answer(request.token, Answer({"status": 0}))

    settings = replace(host.connecting(FAST), **more)
    client = Client(
        host,
        Registration("w", 1, 0, 8, (STORE,)),
        settings=settings,
        on_requests=on_requests,
        fetch_dir=folder,
    )
    return client, found


def offered(path: Path) -> tuple[Intervention, AwaitedAnswer]:
    claim = {"token": "t", "path": str(path), "offset": 2, "size": path.stat().st_size - 2}
    claim |= {"digest": b"", "synced": True}
    sink = AwaitedAnswer()
    return Intervention("EVT_C_STORE", {"claim": claim}, b"", None, sink=sink), sink


@pytest.mark.parametrize("length", [100, LONG, 3 * ON_THEIR_WAY * 1024 * 1024])
def test_a_file_is_fetched_in_chunks(other_host: OtherHost, tmp_path: Path, length: int) -> None:
    spooled = tmp_path / "spool" / "ready" / "token"
    spooled.parent.mkdir(parents=True)
    spooled.write_bytes(os.urandom(length))

    async def scene() -> None:
        client, found = storing(other_host, tmp_path / "fetched")
        async with acceptor(other_host) as server:
            await asyncio.to_thread(client.start, WAIT)
            request, sink = offered(spooled)
            server.ask(request)
            assert (await asyncio.wait_for(sink.future, WAIT)).payload == {"status": 0}
            ((path, data),) = found
            assert data == spooled.read_bytes()
            assert path.is_relative_to(tmp_path / "fetched")
            await until(lambda: not path.exists())
            await asyncio.to_thread(client.stop)
            assert list((tmp_path / "fetched").iterdir()) == []

    asyncio.run(scene())


def test_a_shared_spool_is_read_in_place(other_host: OtherHost, tmp_path: Path) -> None:
    spooled = tmp_path / "spool" / "ready" / "token"
    spooled.parent.mkdir(parents=True)
    spooled.write_bytes(os.urandom(LONG))
    seen = tmp_path / "seen"
    seen.symlink_to(tmp_path / "spool")

    async def scene() -> None:
        client, found = storing(other_host, tmp_path / "fetched", shared_spool=str(seen))
        async with acceptor(other_host) as server:
            await asyncio.to_thread(client.start, WAIT)
            request, sink = offered(spooled)
            server.ask(request)
            await asyncio.wait_for(sink.future, WAIT)
            assert found == [(seen / "ready" / "token", spooled.read_bytes())]
            await asyncio.to_thread(client.stop)
            assert spooled.exists()

    asyncio.run(scene())


def test_a_member_that_returns_no_receipts_gets_few_chunks(
    other_host: OtherHost, tmp_path: Path
) -> None:
    spooled = tmp_path / "token"
    spooled.write_bytes(os.urandom(100))
    pair = other_host.allow("w")

    async def scene() -> None:
        async with acceptor(other_host) as server:
            keys = CurveKeys(other_host.gateway.public, pair)
            with stranger(other_host, zmq.DEALER, 0, keys) as hostile:

                async def heard(kind: type) -> Any:
                    while True:
                        assert await asyncio.to_thread(hostile.poll, int(WAIT * 1000))
                        envelope = envelopes.decode(hostile.recv_multipart()[0])
                        if isinstance(envelope, kind):
                            return envelope

                register = envelopes.Register(VERSION, "w", 1, 0, 8, 0, "", "i", False, 1, (STORE,))
                hostile.send(register.encode())
                await heard(envelopes.Grant)
                request, _ = offered(spooled)
                server.ask(request)
                token = (await heard(envelopes.Requested)).items[0][0]
                for _ in range(2 * ON_THEIR_WAY):
                    hostile.send(envelopes.Fetch(token, 0, 1 << 40).encode())
                chunks = [await heard(envelopes.Chunk) for _ in range(ON_THEIR_WAY)]
                hostile.send(envelopes.Heartbeat("none").encode())
                assert await heard((envelopes.Chunk, envelopes.Unknown)) == envelopes.Unknown(  # type: ignore[arg-type]
                    "none"
                )
                hostile.send(envelopes.ChunkTaken(chunks[0].receipt).encode())
                await heard(envelopes.Chunk)
                for _ in range(3):
                    hostile.send(envelopes.ChunkTaken("forged").encode())
                await heard(envelopes.End)
                hostile.send(envelopes.Fetch(token, 0, 10).encode())  # not in hand any more
                await until(lambda: refused(server)["envelope"] == 3)

    asyncio.run(scene())


def test_a_worker_of_another_host_names_no_file_of_this_one(other_host: OtherHost) -> None:
    async def scene() -> None:
        member = Member(other_host, Binding("EVT_C_GET"))
        async with acceptor(other_host) as server, members(member):
            listed = {"instances": [[1, "1.2", "1.2.3", "/etc/passwd", 0, 10]]}
            for named in ({"path": "/etc/passwd"}, {"claim": {"path": "/etc/passwd"}}, listed):
                asked = asyncio.ensure_future(server.ask_once("EVT_C_GET", {}, assoc=b""))
                request = await take(member.requests)
                member.client.answer(request.token, Answer({"status": 0xFF00, **named}))
                payload = (await asked).payload
                assert payload["failed"] == "encoding"
                assert payload.keys().isdisjoint(named)

    asyncio.run(scene())


def test_a_worker_that_is_cut_off_is_fenced_and_its_request_given_again(
    other_host: OtherHost,
) -> None:
    async def scene() -> None:
        links: list[asyncio.StreamWriter] = []
        held = asyncio.Event()
        held.set()

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(1 << 16):
                await held.wait()
                sink.write(data)

        def through(port: int) -> Any:
            async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                onward, back = await asyncio.open_connection("127.0.0.1", port)
                links.extend((writer, back))
                await asyncio.gather(pump(reader, back), pump(onward, writer))

            return relay

        first = free_port(2)
        taps = [
            await asyncio.start_server(through(other_host.port + n), "127.0.0.1", first + n)
            for n in (0, 1)
        ]
        settings = replace(other_host.connecting(FAST), connect=f"tcp://127.0.0.1:{first}")
        cut = Member(other_host, STORE, settings=settings)
        async with acceptor(other_host) as server:
            await cut.start()
            asked = asyncio.ensure_future(server.ask_once("EVT_C_STORE", {}, assoc=b""))
            request = await take(cut.requests)
            held.clear()  # nothing passes any more, in either direction
            await until(lambda: server.is_held("EVT_C_STORE") and not server._registry.members)
            assert (await take(cut.cancels))[0] == request.token
            again = Member(other_host, STORE)
            await again.start()
            second = await take(again.requests)
            assert second.attempt == 2
            held.set()  # what it sent meanwhile arrives late, and changes nothing
            assert not cut.answer(request)
            again.answer(second)
            assert (await asked).payload == {"attempt": 2}
            for one in (cut, again):
                await one.stop()
            for tap in taps:
                tap.close()
            for writer in links:
                writer.close()

    asyncio.run(scene())


# -- what is wrong from the beginning


def test_without_keys_an_acceptor_does_not_listen(other_host: OtherHost) -> None:
    key = other_host.keys / curve_keys.GATEWAY_KEY
    key.chmod(0o644)

    async def scene(why: str) -> None:
        server = Server(other_host.listening(FAST), other_host, 0)
        with pytest.raises(FabricError, match=why):
            await server.start()

    asyncio.run(scene("chmod 600"))
    key.unlink()
    asyncio.run(scene(f"No such file or directory; 'dicom-gateway keys new {key}' makes it"))


def test_a_port_that_is_taken_is_told(other_host: OtherHost) -> None:
    async def scene() -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", other_host.port + 1))
            other.listen()
            with pytest.raises(FabricError, match="cannot listen at tcp"):
                await Server(other_host.listening(FAST), other_host, 0).start()

    asyncio.run(scene())


@pytest.mark.parametrize(
    "wrong",
    [
        {"connect": "ipc:///tmp/x"},
        {"connect": "tcp://host"},
        {"server_key": ""},
        {"server_key": "short"},
        {"key_file": ""},
        {"key_file": "/nowhere"},
    ],
)
def test_what_a_worker_lacks_is_told(other_host: OtherHost, wrong: dict[str, str]) -> None:
    settings = replace(other_host.connecting(FAST), **wrong)
    with pytest.raises(ConfigError):
        gateway_at(other_host, settings)


def test_log_lines_are_few(other_host: OtherHost, caplog: pytest.LogCaptureFixture) -> None:
    from gateway.fabric.acceptor.refusals import QUIET, Refusals

    now = [0.0]
    refusals = Refusals(lambda: now[0])
    for _ in range(100):
        refusals.add("key", "x")
    now[0] = QUIET
    refusals.add("key", "y")
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == 2
    assert "99 more" in told[1]
    assert refusals.counts["key"] == 101

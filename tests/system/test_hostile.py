"""Hostile input: after each test a healthy peer is still served by the same process (P5)."""

from __future__ import annotations

import os
import threading

import pytest

from tests.accountant import leftovers, read_archive
from tests.conftest import running
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs, wire
from tests.peers.raw import EOF, RawPeer, association, echo_ok, echoes
from tests.peers.wire import element, uid_value, us

CONFIG = f"""
[association]
artim_timeout = {2.0 * PATIENCE}
dimse_timeout = {2.0 * PATIENCE}
network_timeout = {4.0 * PATIENCE}
send_timeout = {1.0 * PATIENCE}
max_pending = 64
"""


@pytest.fixture(scope="module")
def gateway():
    with running(CONFIG) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def healthy_peer_goes_on(gateway):
    """Check that the same acceptor process answers a C-ECHO afterwards."""
    acceptor = gateway.child("acceptor-0")
    yield
    assert echo_ok(gateway.address)
    assert gateway.child("acceptor-0") == acceptor, "the acceptor died"


OTHER_PROTOCOLS = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS client hello": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "SSH banner": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "HL7": b"\x0bMSH|^~\\&|A|B\r\x1c\r",
    "newlines": b"\r\n" * 300,
}


@pytest.mark.parametrize("sent", OTHER_PROTOCOLS.values(), ids=OTHER_PROTOCOLS)
def test_another_protocol_on_the_port(gateway, sent: bytes) -> None:
    with RawPeer(gateway.address) as peer:
        peer.send(sent)
        first, *late, end = peer.recv_all()
        assert first == wire.abort(0, 0)
        assert end == EOF
        # Sta13: AA-7 may answer further bytes that are not a PDU while the connection is open.
        assert set(late) <= {wire.abort(2, 1), wire.abort(2, 2), wire.abort(2, 6)}


def test_random_bytes(gateway) -> None:
    for _ in range(50):
        with RawPeer(gateway.address) as peer:
            peer.try_send(os.urandom(300))
            # the rest of an incomplete PDU is awaited until ARTIM expires
            peer.shutdown()
            assert peer.recv_all() in ([wire.abort(0, 0), EOF], [EOF])


LENGTH_BOMBS = {
    "presentation context item": wire.associate_rq(wire.item(0x20, bytes(4), length=0xFFFF)),
    "abstract syntax sub-item": wire.associate_rq(
        wire.item(0x20, b"\x01\0\0\0" + wire.item(0x30, b"1.2", length=0xFFFF))
    ),
    "user information item": wire.associate_rq(user=wire.item(0x50, b"", length=0xFFFF)),
    "maximum length sub-item": wire.associate_rq(
        user=wire.user_information(wire.item(0x51, bytes(4), length=0xFFFF))
    ),
    "role selection UID": wire.associate_rq(
        user=wire.user_information(wire.maximum_length(0), wire.item(0x54, b"\xff\xff1.2\1\1"))
    ),
    "user identity primary field": wire.associate_rq(
        user=wire.user_information(wire.maximum_length(0), wire.item(0x58, b"\1\0\xff\xffab\0\0"))
    ),
    "SOP class extended UID": wire.associate_rq(
        user=wire.user_information(wire.maximum_length(0), wire.item(0x56, b"\xff\xff1.2"))
    ),
    "application context item": wire.associate_rq(items=wire.item(0x10, b"1", length=0xFFFF)),
}


@pytest.mark.parametrize("sent", LENGTH_BOMBS.values(), ids=LENGTH_BOMBS)
def test_length_bomb_in_the_request(gateway, sent: bytes) -> None:
    with RawPeer(gateway.address) as peer:
        peer.send(sent)
        assert peer.recv_all() == [wire.abort(0, 0), EOF]


def test_16000_tiny_sub_items(gateway) -> None:
    tiny = wire.item(0x5A, b"") * 16_000
    user = wire.user_information(wire.maximum_length(0), wire.implementation(), tiny[:65_000])
    with RawPeer(gateway.address) as peer:
        peer.send(wire.associate_rq(user=user))
        assert peer.recv_pdu()[:1] in (b"\x02", b"\x03", b"\x07")


def test_16000_transfer_syntaxes(gateway) -> None:
    many = wire.context(1, wire.CT, *(["1.2"] * 8_000))
    with RawPeer(gateway.address) as peer:
        peer.send(wire.associate_rq(many))
        assert peer.recv_pdu()[:1] in (b"\x02", b"\x03", b"\x07")


def test_request_of_a_whole_mebibyte(gateway) -> None:
    contexts = [wire.context(n, wire.CT, *(["1.2.3"] * 900)) for n in range(1, 220, 2)]
    request = wire.associate_rq(*contexts)
    assert 800_000 < len(request) < 1 << 20
    with RawPeer(gateway.address) as peer:
        peer.send(request)
        assert peer.recv_pdu()[:1] in (b"\x02", b"\x03", b"\x07")


def test_user_identity_of_64_kib(gateway) -> None:
    user = wire.user_information(
        wire.maximum_length(0), wire.implementation(), wire.user_identity(2, b"u" * 60_000, b"pass")
    )
    with RawPeer(gateway.address) as peer:
        peer.send(wire.associate_rq(user=user))
        assert peer.recv_pdu()[:1] in (b"\x02", b"\x03", b"\x07")


def test_command_length_bomb(gateway) -> None:
    bomb = wire.us(0) + wire.us(2) + b"\xff\xff\xff\xff" + b"1.2"
    with association(gateway.address) as peer:
        peer.send(wire.message(1, bomb))
        assert peer.recv_pdu()[:1] == b"\x07"


def test_command_fragments_without_end(gateway) -> None:
    with association(gateway.address) as peer:
        for _ in range(200):
            if not peer.try_send(wire.p_data(wire.pdv(1, 1, bytes(16_000)))):
                break
        assert peer.recv_pdu()[:1] == b"\x07"


def test_empty_command_fragments_without_end(gateway) -> None:
    """Memory stays flat although the rest never arrives."""
    acceptor = gateway.child("acceptor-0")
    with association(gateway.address) as peer:
        before = procfs.memory(acceptor)
        flood = wire.p_data(*([wire.pdv(1, 1, b"")] * 2000))
        for _ in range(100):
            peer.try_send(flood)
        assert procfs.memory(acceptor) - before < 10 << 20


NAMES = {
    "upwards": b"../../../../tmp/x",
    "absolute": b"/etc/cron.d/x",
    "folder": b"a/b",
    "NUL": b"1.2\x00/../x",
    "newline": b"1.2\nready: fake",
    "escape": b"1.2\x1b[2J",
    "shell": b"$(touch /tmp/gw-owned)",
    "format": b"%s%n{0}",
    "SQL": b"'; DROP TABLE x;--",
    "65 characters": b"1" * 65,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_peer_text_names_nothing(gateway, name: bytes) -> None:
    """Each text is sent as SOP Instance UID and as both AE titles (P8)."""
    tree = {path for path in gateway.folder.rglob("*") if "spool" not in path.parts}
    one = instances.make()
    raw = name + b"\0" * (len(name) % 2)
    at = one.data_set.index(b"\x08\x00\x18\x00UI")
    size = int.from_bytes(one.data_set[at + 6 : at + 8], "little")
    data = one.data_set[: at + 6] + us(len(raw)) + raw + one.data_set[at + 8 + size :]
    command = wire.store_rq("1").replace(element(0x1000, b"1\0"), element(0x1000, raw))
    context = one.context()
    with association(gateway.address, context, called=name[:16], calling=name[:16]) as peer:
        peer.send(wire.message(1, command, data))
        response = peer.recv_response()
        assert response.status not in (0x0000, 0xB000, 0xB006, 0xB007)
        assert peer.store(one, 2).status == 0x0000
        peer.release()
    new = {p for p in gateway.folder.rglob("*") if "spool" not in p.parts} - tree
    names = [path.name for path in new]
    assert all(char.isalnum() or char in ".-_" for text in names for char in text), names
    assert len([n for n in names if n.endswith(".dcm")]) == 1
    assert not os.path.exists("/tmp/gw-owned")
    assert "\x1b" not in gateway.program.err.text
    assert not any(line.startswith("ready: fake") for line in gateway.program.err.lines)


def test_path_traversal_in_a_class_uid(gateway) -> None:
    one = instances.make()
    command = wire.store_rq(one.uid, sop_class="../../x")
    with association(gateway.address, one.context()) as peer:
        peer.send(wire.message(1, command, one.data_set))
        assert peer.recv_response().status in (0x0122, 0x0212)


def _nested(depth: int) -> bytes:
    """Return nested sequences of undefined length in explicit VR little endian."""
    opened = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return opened * depth


def test_sequences_100000_deep(gateway) -> None:
    """The acceptor does not parse them, and the storage worker does not recurse."""
    one = instances.make()
    at = one.data_set.index(b"\x10\x00\x10\x00PN")
    data = one.data_set[:at] + _nested(100_000)
    with association(gateway.address, one.context()) as peer:
        peer.send(wire.message(1, wire.store_rq(one.uid), data))
        assert peer.recv_response().status == 0xC000
        peer.release()
    assert one.uid not in {stored.uid for stored in read_archive(gateway.archive)[0]}


def test_deep_sequences_before_the_identity(gateway) -> None:
    one = instances.make()
    data = b"\x08\x00\x06\x00SQ\0\0\xff\xff\xff\xff" + _nested(50_000) + one.data_set
    with association(gateway.address, one.context()) as peer:
        peer.send(wire.message(1, wire.store_rq(one.uid), data))
        assert peer.recv_response().status in (0xA900, 0xC000)


def test_deflate_bomb(gateway) -> None:
    import zlib

    acceptor = gateway.child("acceptor-0")
    one = instances.make(wire.DEFLATED)
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    head = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
    long = b"\x08\x00\x06\x00OB\0\0" + (1 << 30).to_bytes(4, "little")
    bomb = deflate.compress(head + long)
    for _ in range(256):
        bomb += deflate.compress(bytes(1 << 20))
    bomb += deflate.flush()
    before = procfs.memory(acceptor)
    with association(gateway.address, one.context()) as peer:
        peer.send(wire.message(1, wire.store_rq(one.uid), bomb))
        assert peer.recv_response().status in (0xA900, 0xC000)
        peer.release()
    assert procfs.memory(acceptor) - before < 20 << 20


def test_deflate_that_is_not(gateway) -> None:
    one = instances.make(wire.DEFLATED)
    with association(gateway.address, one.context()) as peer:
        peer.send(wire.message(1, wire.store_rq(one.uid), b"\xfe" * 1000))
        assert peer.recv_response().status == 0xA900
        peer.release()


def test_peer_that_never_reads(gateway) -> None:
    """C-ECHOs are answered until the buffers are full, then the connection is dropped."""
    acceptor = gateway.child("acceptor-0")
    with RawPeer(gateway.address, rcvbuf=4096) as peer:
        peer.associate()
        before = procfs.memory(acceptor)
        requests = wire.message(1, wire.echo_rq(1)) * 500
        peer.sock.settimeout(WALL)
        blocked = False
        for _ in range(2000):
            if not peer.try_send(requests):
                blocked = True
                break
        assert blocked, "a peer that never reads was never stopped"
        assert procfs.memory(acceptor) - before < 20 << 20
        assert echo_ok(gateway.address)


def test_peer_that_vanishes_in_mid_data_set_leaves_nothing(gateway) -> None:
    one = instances.make(size=1 << 20)
    message = wire.message(1, wire.store_rq(one.uid), one.data_set)
    for cut in (len(message) // 2, len(message) - 1, 200):
        with association(gateway.address, one.context()) as peer:
            peer.send(message[:cut])
            peer.reset()
    procfs.until(lambda: not list(leftovers(gateway.spool)), what="an empty spool")
    assert one.uid not in {stored.uid for stored in read_archive(gateway.archive)[0]}


@pytest.mark.slow
def test_reset_at_every_offset_of_a_small_store(gateway) -> None:
    """After a reset at any byte of a C-STORE nothing incomplete is kept."""
    one = instances.make(size=0)
    request = wire.associate_rq(one.context())
    head = wire.message(1, wire.store_rq(one.uid))
    data = wire.message(1, wire.store_rq(one.uid), one.data_set)
    stream = request + data
    near = set(range(len(request) + len(head) + 40))
    cuts = sorted(near | set(range(len(stream) - 20, len(stream))))
    for cut in cuts:
        with RawPeer(gateway.address) as peer:
            peer.send(stream[:cut])
            peer.reset()
    procfs.until(lambda: not list(leftovers(gateway.spool)), what="an empty spool")
    assert one.uid not in {stored.uid for stored in read_archive(gateway.archive)[0]}


@pytest.mark.parametrize("cut", ["request", "between", "command", "data set"])
def test_fin_after_each_pdu(gateway, cut: str) -> None:
    one = instances.make(size=50_000)
    stream = {
        "request": b"",
        "between": wire.message(1, wire.store_rq(one.uid))[:3],
        "command": wire.message(1, wire.store_rq(one.uid)),
        "data set": wire.message(1, wire.store_rq(one.uid), one.data_set)[:-100],
    }[cut]
    with association(gateway.address, one.context()) as peer:
        peer.send(stream)
        peer.shutdown()
        assert peer.recv_all() == [EOF]
    procfs.until(lambda: not list(leftovers(gateway.spool)), what="an empty spool")
    assert one.uid not in {stored.uid for stored in read_archive(gateway.archive)[0]}


def test_silent_connections_do_not_stop_healthy_peers(gateway) -> None:
    """More than `max_pending` silent connections do not keep healthy peers out."""
    silent = []
    try:
        for _ in range(200):
            try:
                silent.append(RawPeer(gateway.address))
            except OSError:
                break
        for _ in range(5):
            assert procfs.until(lambda: echoes(gateway.address), what="a healthy C-ECHO")
    finally:
        for peer in silent:
            peer.close()


def test_a_healthy_peer_beside_a_flood(gateway) -> None:
    """One peer sends C-ECHOs while ten others abort as fast as they can."""
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            try:
                with RawPeer(gateway.address) as peer:
                    peer.try_send(wire.associate_rq() + wire.pdu(0x99, b""))
                    peer.recv_pdu()
            except OSError:
                continue

    threads = [threading.Thread(target=flood) for _ in range(10)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            assert echo_ok(gateway.address), number
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
def test_associate_and_abort_cycles_leave_memory_where_it_was(gateway) -> None:
    acceptor = gateway.child("acceptor-0")

    def cycle() -> None:
        with RawPeer(gateway.address) as peer:
            peer.associate()
            peer.send(wire.abort())

    for _ in range(300):
        cycle()
    before, opened = procfs.memory(acceptor), len(procfs.descriptors(acceptor))
    for _ in range(1500):
        cycle()
    assert procfs.memory(acceptor) - before < 3 << 20
    procfs.until(lambda: len(procfs.descriptors(acceptor)) <= opened + 2, what="descriptors back")


def test_error_text_is_bounded_and_clean(gateway) -> None:
    """The error comment of a refusal is at most 64 characters of the default repertoire."""
    one = instances.make()
    with association(gateway.address, one.context()) as peer:
        peer.send(wire.message(1, wire.store_rq("x\n" * 200), one.data_set))
        response = peer.recv_response()
        comment = response.elements.get(0x0902, b"")
        assert len(comment.rstrip(b" ")) <= 64
        assert all(32 <= byte < 127 for byte in comment)
        assert response.elements.get(0x1000, b"") in (b"", uid_value("x\n" * 200))
        peer.release()


def test_peers_that_reset_do_not_disturb_an_association(gateway) -> None:
    with association(gateway.address) as healthy:
        for number in range(20):
            with association(gateway.address) as peer:
                peer.reset()
            assert healthy.echo(number).status == 0
        healthy.release()

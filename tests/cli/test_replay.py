"""Record associations of others, and play them again: a failure has to fail alike."""

from __future__ import annotations

import json
import socket
import ssl
from contextlib import contextmanager

import pytest
import trustme

from gateway.cli.recording import ACCEPTOR, REQUESTOR, RecordedConnection, RecordedPart, read
from gateway.cli.replaying import ConnectionReplay
from tests.cli import peers
from tests.conftest import short_folder
from tests.patience import WALL
from tests.peers import dcmtk, instances, wire
from tests.peers.process import COMMAND, Gateway, Program, run_cli
from tests.peers.scp import free_port
from tests.peers.sender import store_all

REJECTED = wire.pdu(0x03, b"\0\1\1\3")
RELEASE_RQ, RELEASE_RP = wire.pdu(0x05, bytes(4)), wire.pdu(0x06, bytes(4))


@contextmanager
def recording_proxy(path, port: int, *options: str):
    """A proxy in front of `port` that ends after one association; yields its port."""
    arguments = ("--listen", "0", "--to", f"127.0.0.1:{port}", "--count", "1", *options)
    program = Program(COMMAND, "record", "proxy", path, *arguments)
    try:
        yield int(program.out.wait_for(r"recording 127.0.0.1:(\d+)")[1])
        assert program.wait() == 0, program.report()
    finally:
        program.kill_all()


@contextmanager
def dcmtk_scp(folder, *options: str):
    """DCMTK's storescp; yields its port."""
    port = free_port()
    with peers.dcmtk_scp("storescp", port, "-od", folder, *options, port):
        yield port


def texts(path) -> str:
    return run_cli("record", "show", path).out.text


@pytest.mark.peer("dcmtk")
def test_a_failed_association_of_dcmtk_fails_alike_when_it_is_replayed(tmp_path):
    path = tmp_path / "failed.dcmrec"
    with dcmtk_scp(tmp_path, "--refuse") as refusing:
        with recording_proxy(path, refusing) as port:
            assert dcmtk.run("echoscu", "127.0.0.1", port).returncode != 0
        shown = texts(path)
        assert "-> A-ASSOCIATE-RQ ECHOSCU to ANY-SCP" in shown
        assert "<- A-ASSOCIATE-RJ" in shown
        again = run_cli("replay", path, "--to", f"127.0.0.1:{refusing}")
        assert again.popen.returncode == 0, again.report()
        assert "0 different" in again.out.text
    with dcmtk_scp(tmp_path) as accepting:
        other = run_cli("replay", path, "--to", f"127.0.0.1:{accepting}", "--json")
        assert other.popen.returncode == 1
        (found,) = map(json.loads, other.out.lines)
        (difference,) = found["differences"]
        assert difference["recorded"].startswith("A-ASSOCIATE-RJ")
        assert difference["replayed"].startswith("A-ASSOCIATE-AC")
    acceptor = Program(COMMAND, "replay", path, "--listen", "0")
    try:
        port = acceptor.out.wait_for(r"waiting for a requestor on 127.0.0.1:(\d+)")[1]
        failed = dcmtk.run("echoscu", "127.0.0.1", port)
        assert failed.returncode != 0
        assert "Association Rejected" in failed.stdout
        assert acceptor.wait() == 0, acceptor.report()
    finally:
        acceptor.kill_all()


def test_a_store_is_recorded_redacted_replayed_and_exported(tmp_path):
    sent = instances.many(1)
    with short_folder() as folder:
        gateway = Gateway(folder)
        try:
            port = gateway.address[1]
            path, blank = tmp_path / "whole.dcmrec", tmp_path / "redacted.dcmrec"
            for name, options in ((path, ()), (blank, ("--redact",))):
                with recording_proxy(name, port, *options) as through:
                    store_all(("127.0.0.1", through), sent)
            assert "C-STORE-RSP status 0000" in texts(path)
            assert texts(path).count("\n") == texts(blank).count("\n")
            whole, hidden = (
                b"".join(part.data or b"" for part in read(name).connections[0].parts)
                for name in (path, blank)
            )
            assert len(hidden) == len(whole)
            assert sent[0].uid.encode() in hidden, "UIDs of commands stay"
            assert sent[0].data_set[-500:] in whole
            assert sent[0].data_set[-500:] not in hidden
            again = run_cli("replay", path, "--to", f"127.0.0.1:{port}")
            assert again.popen.returncode == 0, again.report()
            made = run_cli("record", "pcap", path, tmp_path / "a.pcap")
            assert "packets of 1 connections" in made.out.text
            assert gateway.stop() == 0
        finally:
            gateway.close()


def test_what_cannot_be_recorded_is_passed_on_all_the_same(tmp_path):
    path, sent = tmp_path / "full.dcmrec", b"\x16\x03\x01" + bytes(range(256)) * 40
    limited = ("bash", "-c", 'ulimit -f 1; exec "$0" "$@"', COMMAND)
    with socket.create_server(("127.0.0.1", 0)) as target:
        to = f"127.0.0.1:{target.getsockname()[1]}"
        arguments = ("--listen", "0", "--to", to, "--count", "1")
        program = Program(*limited, "record", "proxy", path, *arguments)
        try:
            port = int(program.out.wait_for(r"recording 127.0.0.1:(\d+)")[1])
            with socket.create_connection(("127.0.0.1", port), WALL) as peer:
                there, _ = target.accept()
                with there:
                    there.settimeout(WALL)
                    peer.sendall(sent)
                    peer.shutdown(socket.SHUT_WR)
                    assert b"".join(iter(lambda: there.recv(65_536), b"")) == sent
                    there.sendall(sent[::-1])
                    there.shutdown(socket.SHUT_WR)
                    peer.settimeout(WALL)
                    assert b"".join(iter(lambda: peer.recv(65_536), b"")) == sent[::-1]
            assert program.wait() == 1
            assert "ends early: it cannot be written: File too large" in program.err.text
            assert "Traceback" not in program.err.text
        finally:
            program.kill_all()
    assert path.stat().st_size <= 1024
    assert len(read(path).connections) == 1


def test_associations_of_a_running_gateway_are_recorded_by_title(tmp_path):
    path = tmp_path / "running.dcmrec"
    with short_folder() as folder:
        gateway = Gateway(folder)
        try:
            arguments = ("--data", gateway.data, "--calling", "C*", "--count", "1")
            program = Program(COMMAND, "record", "gateway", path, *arguments)
            program.out.wait_for("recording C\\* at ")
            host, port = gateway.address
            for title in ("MR1", "CT1"):
                done = run_cli("echo", host, port, "--aet", title)
                assert done.popen.returncode == 0, done.report()
            assert program.wait() == 0, program.report()
            shown = texts(path)
            assert "A-ASSOCIATE-RQ CT1 to" in shown
            assert "MR1" not in shown
            assert "<- C-ECHO-RSP status 0000" in shown
            again = run_cli("replay", path, "--to", f"{host}:{port}")
            assert again.popen.returncode == 0, again.report()
            assert gateway.stop() == 0
        finally:
            gateway.close()


def test_associations_over_tls_are_recorded_decrypted_and_an_aborted_one_too(tmp_path):
    path, authority = tmp_path / "secured.dcmrec", trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "both.pem"
    )
    context = ssl.create_default_context()
    authority.configure_trust(context)
    config = f'[tls]\ncertificate = "{tmp_path / "both.pem"}"\n'
    with short_folder() as folder:
        gateway = Gateway(folder, config=config)
        try:
            arguments = ("--data", gateway.data, "--calling", "CT*", "--count", "2")
            program = Program(COMMAND, "record", "gateway", path, *arguments)
            program.out.wait_for("recording CT\\* at ")
            for last, answered in ((wire.abort(), b""), (RELEASE_RQ, RELEASE_RP)):
                with (
                    socket.create_connection(gateway.address, WALL) as plain,
                    context.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
                ):
                    peer.sendall(wire.associate_rq(calling="CT1"))
                    assert peer.recv(65_536)[:1] == b"\x02"
                    peer.sendall(last)
                    assert peer.recv(65_536) == answered
            assert program.wait() == 0, program.report()
            assert gateway.stop() == 0
        finally:
            gateway.close()
    shown = texts(path)
    assert shown.count("-> A-ASSOCIATE-RQ CT1 to GATEWAY") == 2
    assert shown.count("<- A-ASSOCIATE-AC") == 2
    assert shown.count("-> A-ABORT") == 1
    assert shown.count("<- A-RELEASE-RP") == 1
    assert "Traceback" not in program.err.text
    again = run_cli("record", "pcap", path, tmp_path / "a.pcap")
    assert "packets of 2 connections" in again.out.text


def test_wrong_arguments_are_named(tmp_path):
    missing = run_cli("replay", tmp_path / "missing", "--to", "127.0.0.1:1")
    assert missing.popen.returncode == 1
    assert "cannot be read: No such file" in missing.err.text
    neither = run_cli("replay", tmp_path / "missing")
    assert neither.popen.returncode == 2
    assert "either --to HOST:PORT or --listen PORT" in neither.err.text


def played(parts, answers: bytes | None, mine: str = REQUESTOR, **how):
    """Play against a peer that sends `answers` and closes; None: it says nothing."""
    here, there = socket.socketpair()
    with here, there:
        if answers is not None:
            there.sendall(answers)
            there.shutdown(socket.SHUT_WR)
        replay = ConnectionReplay(RecordedConnection(1, 0.0, parts=parts), mine, here, **how)
        replay.run()
        here.close()
        received = b""
        while data := there.recv(65536):
            received += data
        return replay, received


def test_answers_are_compared_however_they_are_cut():
    parts = [
        RecordedPart(0.0, REQUESTOR, RELEASE_RQ),
        RecordedPart(1.0, ACCEPTOR, RELEASE_RP),
        RecordedPart(2.0, ACCEPTOR, None),
    ]
    replay, received = played(parts, RELEASE_RP)
    assert (replay.alike, replay.differences, received) == (2, [], RELEASE_RQ)


def test_another_kind_of_answer_ends_the_replay():
    parts = [
        RecordedPart(0.0, ACCEPTOR, REJECTED),
        RecordedPart(1.0, REQUESTOR, RELEASE_RQ),
    ]
    replay, received = played(parts, wire.pdu(0x07, b"\0\0\2\1"))
    (one,) = replay.differences
    assert (one.recorded, one.replayed) == ("A-ASSOCIATE-RJ (1,1,3)", "A-ABORT (2,1)")
    assert received == b""


def test_another_value_of_the_same_kind_goes_on():
    parts = [RecordedPart(0.0, ACCEPTOR, REJECTED), RecordedPart(1.0, ACCEPTOR, None)]
    replay, _ = played(parts, wire.pdu(0x03, b"\0\2\3\1"))
    assert [one.replayed for one in replay.differences] == ["A-ASSOCIATE-RJ (2,3,1)"]
    assert replay.alike == 1


def test_a_peer_that_says_nothing_is_told():
    replay, _ = played([RecordedPart(0.0, ACCEPTOR, REJECTED)], None, timeout=0.01)
    assert replay.differences[0].replayed == "nothing within 0.01 s"


def echo(message_id: int, command: int) -> bytes:
    return wire.pdu(0x04, command_pdv(message_id, command))


def command_pdv(message_id: int, command: int) -> bytes:
    name = 0x0120 if command & 0x8000 else 0x0110
    values = (
        (0x0002, wire.VERIFICATION.encode() + b"\0"),
        (0x0100, command.to_bytes(2, "little")),
        (name, message_id.to_bytes(2, "little")),
        (0x0800, b"\1\1"),
        *(((0x0900, b"\0\0"),) if command & 0x8000 else ()),
    )
    elements = b"".join(
        b"\0\0" + n.to_bytes(2, "little") + len(v).to_bytes(4, "little") + v for n, v in values
    )
    group = b"\0\0\0\0\4\0\0\0" + len(elements).to_bytes(4, "little")
    body = b"\1\3" + group + elements
    return len(body).to_bytes(4, "big") + body


def test_an_acceptor_responds_to_the_message_that_the_peer_has_sent():
    parts = [
        RecordedPart(0.0, REQUESTOR, echo(1, 0x0030)),
        RecordedPart(1.0, ACCEPTOR, echo(1, 0x8030)),
    ]
    replay, received = played(parts, echo(7, 0x0030), ACCEPTOR)
    assert replay.differences == []
    assert received == echo(7, 0x8030)

"""TLS and user identity: the commands' options, and a gateway that listens with TLS."""

from __future__ import annotations

import subprocess
from pathlib import Path  # noqa: TC003 - NamedTuple reads it
from typing import NamedTuple

import pytest
import trustme

from tests.cli.test_commands import QUICK
from tests.conftest import running, short_folder
from tests.patience import WALL
from tests.peers import dcmtk, instances, wire
from tests.peers.process import COMMAND, run_cli
from tests.peers.raw import RawPeer, echo_ok
from tests.requestor.scripted import Acceptor, scripted

HOST = "127.0.0.1"
USER_IDENTITY = 0x58


class Pems(NamedTuple):
    """Files of one party."""

    certificate: Path
    key: Path
    both: Path


@pytest.fixture(scope="module")
def folder_of_pems():
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def authority():
    return trustme.CA(key_type=trustme.KeyType.RSA)


@pytest.fixture(scope="module")
def ca(authority, folder_of_pems) -> Path:
    path = folder_of_pems / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def issue(authority, folder: Path, name: str) -> Pems:
    made = authority.issue_cert(name, key_type=trustme.KeyType.RSA)
    paths = Pems(*(folder / f"{name}-{what}.pem" for what in Pems._fields))
    made.cert_chain_pems[0].write_to_path(paths.certificate)
    made.private_key_pem.write_to_path(paths.key)
    made.private_key_and_cert_chain_pem.write_to_path(paths.both)
    return paths


@pytest.fixture(scope="module")
def server(authority, folder_of_pems) -> Pems:
    return issue(authority, folder_of_pems, HOST)


@pytest.fixture(scope="module")
def client(authority, folder_of_pems) -> Pems:
    return issue(authority, folder_of_pems, "client.example")


@pytest.fixture(scope="module")
def strict(server, ca):
    """A gateway that asks for certificates; it is told the key's file apart."""
    table = f'[tls]\ncertificate = "{server.certificate}"\nkey = "{server.key}"\nca = "{ca}"\n'
    with running(table) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def known(client, ca) -> tuple[object, ...]:
    """Options of one who is let in."""
    return "--tls-cert", client.certificate, "--tls-key", client.key, "--tls-ca", ca


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "one.dcm"
    path.write_bytes(instances.make().part10())
    return path


def told(*arguments: object) -> tuple[int, str]:
    program = run_cli(*arguments)
    text = program.out.text + program.err.text
    assert "Traceback" not in text, text
    return program.popen.returncode, text


def test_the_ready_line_says_that_it_is_tls(strict):
    assert ", TLS, " in strict.ready_line


def test_each_command_speaks_tls(strict, known, file, tmp_path):
    key = "-k", "PatientID=T1"
    address = strict.address
    assert told("echo", *address, *known)[0] == 0
    assert told("store", *address, file, *known)[0] == 0
    status, text = told("find", *address, *key, *known)
    assert (status, "1 match" in text) == (0, True)
    study = "-k", f"StudyInstanceUID={instances._PREFIX}.1"
    assert told("get", *address, *study, "-o", tmp_path / "out", *known)[0] == 0
    assert len(list((tmp_path / "out").iterdir())) == 1
    status, text = told("move", *address, "--dest", "NOBODY", *study, *known)
    assert (status, "A801" in text) == (1, True)


def test_one_file_for_both_and_the_name_of_the_certificate(strict, client, ca, server):
    options = "--tls-cert", client.both, "--tls-ca", ca
    assert told("echo", *strict.address, *options)[0] == 0
    status, text = told("echo", "localhost", strict.address[1], *options)
    assert (status, "CERTIFICATE_VERIFY_FAILED" in text) == (1, True)
    assert told("echo", "localhost", strict.address[1], *options, "--tls-name", HOST)[0] == 0


@pytest.mark.peer("dcmtk")
def test_dcmtks_storescu_with_tls(strict, client, ca, file):
    options = "+tls", client.key, client.certificate, "+cf", ca
    done = subprocess.run(
        [dcmtk.find("storescu"), *options, *map(str, strict.address), file],
        capture_output=True,
        text=True,
        timeout=WALL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [dcmtk.find("echoscu"), "+tla", "+cf", ca, *map(str, strict.address)],
        capture_output=True,
        timeout=WALL,
    )
    assert done.returncode != 0, "it has no certificate"


def test_who_has_no_certificate_or_no_tls_stays_outside(strict, ca, known):
    for options in (("--tls-ca", ca), QUICK):
        status, text = told("echo", *strict.address, *options)
        assert (status, text.count("\n")) == (1, 0), text
    status, text = told("echo", *strict.address, "--tls", *known[:4])
    assert (status, "CERTIFICATE_VERIFY_FAILED" in text) == (1, True)
    assert told("echo", *strict.address, *known)[0] == 0
    assert "eof_received" not in strict.program.err.text


def test_tls_to_a_peer_that_has_none(ca):
    def script(acceptor: Acceptor) -> None:
        acceptor.peer.recv_pdu()

    with scripted(script) as address:
        status, text = told("echo", *address, "--tls-ca", ca, *QUICK)
    assert status == 1
    assert f"{HOST}:{address[1]}" in text


def test_a_certificate_may_be_asked_for_and_not_required(server, ca, known, start_gateway):
    table = f'[tls]\ncertificate = "{server.both}"\nca = "{ca}"\n'
    gateway = start_gateway(f"{table}require_client_certificate = false\n")
    assert told("echo", *gateway.address, "--tls-ca", ca)[0] == 0
    assert told("echo", *gateway.address, *known)[0] == 0
    stranger = trustme.CA(key_type=trustme.KeyType.RSA)
    other = issue(stranger, gateway.folder, "stranger.example")
    assert told("echo", *gateway.address, "--tls-ca", ca, "--tls-cert", other.both)[0] == 1


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('certificate = "nothing.pem"', "nothing.pem: No such file"),
        ('certificate = "gateway.toml"', "gateway.toml"),
        ('key = "key.pem"', "tls.certificate is empty"),
        ('ca = "ca.pem"', "tls.certificate is empty"),
        ("certificate = 1", "tls.certificate = 1"),
        ('cert = "x"', "tls.cert"),
    ],
)
def test_a_table_that_is_wrong(folder, table, words):
    config = folder / "gateway.toml"
    config.write_text(f"[tls]\n{table}\n")
    program = run_cli("serve", "--port", 0, "--data", folder / "data", "--config", config,
                      cwd=folder)  # fmt: skip
    assert program.popen.returncode == 2, program.report()
    assert words in program.err.text
    assert "Traceback" not in program.err.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tls-key", "key.pem"), "--tls-cert"),
        (("--tls-cert", "nothing.pem"), "nothing.pem"),
        (("--tls-ca", "nothing.pem"), "nothing.pem"),
        (("--password", "x"), "--user"),
        (("--user", "x" * 65536), "65535"),
    ],
)
def test_options_that_are_wrong(options, words):
    status, text = told("echo", HOST, 1, *options)
    assert status == 2
    assert words in text


@pytest.mark.parametrize(
    ("options", "environment", "typed", "item"),
    [
        ((), {"DICOM_PASSWORD": "x"}, "", None),
        (("--user", "jane"), {}, "", wire.user_identity(1, b"jane")),
        (("--user", "jane", "--password", "pw"), {}, "", wire.user_identity(2, b"jane", b"pw")),
        (("--user", "jane"), {"DICOM_PASSWORD": "env"}, "", wire.user_identity(2, b"jane", b"env")),
        (
            ("--user", "jane", "--password", "-"),
            {"DICOM_PASSWORD": "env"},
            "typed in\n",
            wire.user_identity(2, b"jane", b"typed in"),
        ),
        (("--user", "Jürgen"), {}, "", wire.user_identity(1, "Jürgen".encode())),
    ],
)
def test_user_identity(options, environment, typed, item, monkeypatch):
    seen: list[bytes | None] = []

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        found = [wire.item(k, body) for k, body in acceptor.user if k == USER_IDENTITY]
        seen.append(found[0] if found else None)
        acceptor.respond(acceptor.message(), 0)
        acceptor.release()

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with scripted(script) as address:
        done = subprocess.run(
            [COMMAND, "echo", *map(str, address), *options],
            input=typed,
            capture_output=True,
            text=True,
            timeout=WALL,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen == [item]
    assert ("other users of this machine can see the passcode" in done.stderr) == ("pw" in options)


def test_an_identity_that_is_refused_says_nothing_of_the_passcode():
    def script(acceptor: Acceptor) -> None:
        acceptor.take_request()
        acceptor.peer.send(wire.associate_rj(2, 2, 1))
        acceptor.peer.recv_pdu()

    with scripted(script) as address:
        status, text = told("echo", *address, "--user", "jane", "--password", "secret words")
    assert status == 1
    assert "secret words" not in text


def test_the_plain_port_of_a_plain_gateway_is_as_it_was(start_gateway):
    gateway = start_gateway()
    assert "TLS" not in gateway.ready_line
    assert echo_ok(gateway.address)
    with RawPeer(gateway.address) as peer:
        peer.send(b"\x16\x03\x01\x00\x05hello")
        assert peer.recv_pdu() == wire.abort()


def test_load_speaks_tls(strict, known, ca):
    count = "--count", 5, "--operation", "echo"
    status, text = told("load", *strict.address, *count, *known)
    assert status == 0, text
    status, text = told("load", *strict.address, *count, "--tls-ca", ca, "--give-up", "0.2")
    assert status == 1, text
    status, text = told("load", *strict.address, *count, "--tls-ca", "none.pem")
    assert (status, "certificate none.pem: No such file" in text) == (2, True), text


def test_a_destination_with_tls(server, client, ca, start_gateway, file):
    listening = f'[tls]\ncertificate = "{server.both}"\nca = "{ca}"\n'
    there = start_gateway(listening)
    place = f'host = "{HOST}", port = {there.address[1]}, ae_title = "GATEWAY"'
    here = start_gateway(
        f"[destinations]\nSAFE = {{{place}, tls = true, tls_ca = '{ca}', "
        f"tls_certificate = '{client.certificate}', tls_key = '{client.key}'}}\n"
        f"BARE = {{{place}}}\nUNKNOWN = {{{place}, tls = true, tls_ca = '{ca}'}}\n"
    )
    assert told("store", *here.address, file)[0] == 0
    study = "-k", f"StudyInstanceUID={instances._PREFIX}.1"
    assert told("move", *here.address, "SAFE", *study)[0] == 0
    for destination in ("BARE", "UNKNOWN"):
        assert told("move", *here.address, destination, *study)[0] == 1
    there.program.err.wait_for("the peer has shown no certificate")


def test_openssl_and_why_it_is_turned_away(strict, client, ca):
    def connect(*options: object) -> int:
        where = f"{strict.address[0]}:{strict.address[1]}"
        command = ["openssl", "s_client", "-connect", where, "-CAfile", ca, *options]
        done = subprocess.run(
            [str(part) for part in command], input=b"Q\n", capture_output=True, timeout=WALL
        )
        return done.returncode

    certificate = "-cert", client.certificate, "-key", client.key, "-verify_return_error"
    assert connect(*certificate) == 0
    assert connect(*certificate, "-tls1_2") == 0
    assert connect(*certificate, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") != 0
    strict.program.err.wait_for("the peer offers no version of TLS from 1.2 on")
    assert connect(*certificate, "-tls1_2", "-cipher", "AES128-SHA") != 0
    strict.program.err.wait_for("the peer offers no cipher suite of the profile")
    connect()
    strict.program.err.wait_for("the peer has shown no certificate, and tls.ca demands one")

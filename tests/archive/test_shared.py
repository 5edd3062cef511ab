"""Two gateways with one PostgreSQL index."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import trustme
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import build_role

from gateway.uid import KEYWORDS
from tests.conftest import PEERS_REQUIRED
from tests.interop.test_archive import answered
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.balancer import LISTED, SHIPPED, balancer, configuration, program
from tests.peers.process import run_cli
from tests.peers.scp import free_port, pynetdicom_storescp
from tests.peers.sender import store_all
from workers.archive.fetching import fetch_identifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
GET = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]


def query(one: instances.Instance) -> Dataset:
    data = dcmread(BytesIO(one.part10()))
    asked = Dataset()
    asked.QueryRetrieveLevel = "IMAGE"
    asked.StudyInstanceUID = data.StudyInstanceUID
    asked.SeriesInstanceUID = data.SeriesInstanceUID
    asked.SOPInstanceUID = one.uid
    asked.RetrieveAETitle = ""
    return asked


def found(gateway, one: instances.Instance) -> str:
    """Return from where the peer can retrieve it, by this gateway's answer."""
    ae = AE()
    ae.add_requested_context(FIND)
    assoc = ae.associate(*gateway.address)
    (_, match), (final, _) = answered(assoc, query(one))
    assoc.release()
    assert final.Status == 0x0000
    assert match.SOPInstanceUID == one.uid
    return match.RetrieveAETitle


def get(gateway, one: instances.Instance, asked=None) -> tuple[int, list, Dataset | None]:
    got = []
    ae = AE()
    ae.add_requested_context(GET)
    ae.add_requested_context(wire.CT, wire.EXPLICIT)
    handlers = [(evt.EVT_C_STORE, lambda event: got.append(event.dataset) or 0x0000)]
    role = [build_role(wire.CT, scp_role=True)]
    assoc = ae.associate(*gateway.address, ext_neg=role, evt_handlers=handlers)
    identifier = query(one) if asked is None else asked([one.uid])
    *_, (final, identifier) = assoc.send_c_get(identifier, GET)
    assoc.release()
    return final.Status, got, identifier


def get_when_alive(gateway, one: instances.Instance) -> list[Dataset]:
    """Retrieve an instance of a gateway that has said where it is within a second or two."""
    status, got, _ = procfs.until(
        lambda: (done := get(gateway, one))[0] == 0x0000 and done, what="a retrieved instance"
    )
    assert status == 0x0000
    return got


def test_each_gives_back_what_the_other_one_has(postgres_schema, start_gateway):
    import psycopg

    config = f'[archive]\ndsn = "{postgres_schema}"\n'
    gateways = {title: start_gateway(config, "--ae-title", title) for title in ("ONE", "TWO")}
    stored = {title: instances.make() for title in gateways}
    for title, one in stored.items():
        assert store_all(gateways[title].address, [one]).failed == {}
    for one in stored.values():
        for gateway in gateways.values():
            assert found(gateway, one) == "ANY-SCP"  # as it was called
            (got,) = get_when_alive(gateway, one)
            assert got == dcmread(BytesIO(one.part10()))
    # the same instance again at the other one is a success, and still one copy
    assert store_all(gateways["TWO"].address, [stored["ONE"]]).failed == {}
    # a fetch is answered from own files only
    status, got, identifier = get(gateways["ONE"], stored["TWO"], fetch_identifier)
    assert (status, got) == (0xA702, [])
    assert identifier.FailedSOPInstanceUIDList == stored["TWO"].uid
    gateways["ONE"].program.err.wait_for("sub-operation failed: the file is at TWO")
    status, got, _ = get(gateways["TWO"], stored["TWO"], fetch_identifier)
    assert (status, len(got)) == (0x0000, 1)
    for gateway in gateways.values():
        options = "--data", gateway.data, "--config", gateway.folder / "gateway.toml"
        program = run_cli("archive", "verify", *options)
        assert program.popen.returncode in (0, 1), program.report()
    # what is not as the index describes it is not passed on
    with psycopg.connect(postgres_schema, autocommit=True) as connection:
        connection.execute("UPDATE instance SET digest = 'other' WHERE holder = 'TWO'")
    status, got, _ = get(gateways["ONE"], stored["TWO"])
    assert (status, got) == (0xA702, [])
    gateways["ONE"].program.err.wait_for("TWO did not send the file as the index describes it")
    # one that is down is named
    gateways["TWO"].stop()
    status, got, _ = get(gateways["ONE"], stored["TWO"])
    assert (status, got) == (0xA702, [])
    gateways["ONE"].program.err.wait_for("the file cannot be fetched: TWO at 127.0.0.1:")


RULES = """
[[policy.rules]]
name = "modalities"
calling = ["*SCU"]
[[policy.rules]]
name = "gateways"
calling = ["ONE", "TWO"]
addresses = ["127.0.0.1/32"]
"""


def pems(folder: Path) -> tuple[Path, Path]:
    """Return a certificate with its key, for 127.0.0.1, and its authority."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    made = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    both, ca = folder / "both.pem", folder / "ca.pem"
    made.private_key_and_cert_chain_pem.write_to_path(both)
    authority.cert_pem.write_to_path(ca)
    return both, ca


def test_gateways_let_each_other_in_by_a_rule_over_tls(postgres_schema, start_gateway, tmp_path):
    """C-GET and C-MOVE of what another one has; without the rule, it is said who refused."""
    both, ca = pems(tmp_path)
    (tmp_path / "sink").mkdir()
    with pynetdicom_storescp(tmp_path / "sink") as sink:
        shared = (
            f'[tls]\ncertificate = "{both}"\nca = "{ca}"\n[archive]\ndsn = "{postgres_schema}"\n'
            f'[destinations]\nSINK = "{sink[0]}:{sink[1]}"\n'
        )
        strict = RULES.replace('"ONE", "TWO"', '"TWO"')
        one = start_gateway(shared + RULES, "--ae-title", "ONE")
        two = start_gateway(shared + strict, "--ae-title", "TWO")
        options = "--tls-cert", both, "--tls-ca", ca
        stored = {title: instances.make() for title in ("ONE", "TWO")}
        for gateway, instance in zip((one, two), stored.values(), strict=True):
            (file := tmp_path / f"{instance.uid}.dcm").write_bytes(instance.part10())
            assert run_cli("store", *gateway.address, file, *options).popen.returncode == 0
        keys = "-k", f"StudyInstanceUID={instances.STUDY}"

        def came(command: str, gateway, place: Path, *words: object) -> set[str]:
            run_cli(command, *gateway.address, *words, *keys, *options)
            return {path.stem for path in place.glob("*.dcm")}

        every = {instance.uid for instance in stored.values()}
        got = tmp_path / "got"
        procfs.until(
            lambda: came("get", two, got, "-o", got) == every, what="what both have", every=0.5
        )
        assert came("move", two, tmp_path / "sink", "SINK") == every
        # the other one is not let in
        own = {stored["ONE"].uid}
        assert came("get", one, tmp_path / "few", "-o", tmp_path / "few") == own
    one.program.err.wait_for(r"the file cannot be fetched: TWO at 127.0.0.1:\d+: .*rejected")
    two.program.err.wait_for(r"calling='ONE' .*A-ASSOCIATE-RJ \(1,1,3\)")


@pytest.fixture
def haproxy() -> str:
    found = program()
    if found is None:
        if PEERS_REQUIRED:
            pytest.fail(
                "HAProxy is not installed, and DICOM_GATEWAY_REQUIRE_PEERS=1", pytrace=False
            )
        pytest.skip("HAProxy is not installed")
    return found


def test_the_configuration_of_the_balancer_is_valid(haproxy, tmp_path):
    text = SHIPPED.read_text()
    for number in (1, 2):  # names that are known where it is used
        text = text.replace(f"gateway{number}:11112", f"192.0.2.{number}:11112")
    (tmp_path / "haproxy.cfg").write_text(text)
    command = [haproxy, "-c", "-f", tmp_path / "haproxy.cfg"]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=WALL, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


class _Answering(socketserver.StreamRequestHandler):
    """Says of which server it is, also to an HTTP client that asks for /readyz."""

    def handle(self) -> None:
        self.request.recv(4096)  # a PROXY protocol header, or what HTTP asks for
        self.wfile.write(b"HTTP/1.0 200 %d\r\n\r\n" % self.server.server_address[1])
        self.server.asked.set()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Answering)
        self.asked = threading.Event()


@contextmanager
def answering(port: int) -> Iterator[threading.Event]:
    """A server until the end of the block; the event is set once somebody has asked it."""
    with _Server(port) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server.asked
        server.shutdown()
        serving.join(WALL)


def test_a_host_that_starts_again_gets_no_peer_before_it_is_ready(haproxy, tmp_path):
    port, again, page, other = (free_port() for _ in range(4))
    hosts = [("127.0.0.1", again), ("127.0.0.1", other)]
    text = configuration(port, hosts, probes=(page, other))

    def answered_by(number: int) -> set[int]:
        peers = [socket.create_connection(("127.0.0.1", port), timeout=WALL) for _ in range(number)]
        with ExitStack() as stack:
            files = [stack.enter_context(peer).makefile("rb") for peer in peers]
            return {int(file.readline().split()[2]) for file in files}

    with ExitStack() as first, answering(other), ExitStack() as front:
        first.enter_context(answering(again))
        is_checked = first.enter_context(answering(page))
        front.enter_context(balancer(tmp_path, text, port))
        assert is_checked.wait(WALL)
        first.close()
        assert answered_by(6) == {other}  # for some of them at a second attempt
        with answering(again):  # whose page does not answer
            assert answered_by(6) == {other}


def test_each_retrieval_through_a_balancer_succeeds(
    postgres_schema, start_gateway, haproxy, tmp_path
):
    config = f'{LISTED}[archive]\ndsn = "{postgres_schema}"\n'
    gateways = [start_gateway(config, "--ae-title", title) for title in ("ONE", "TWO")]
    one = instances.make()
    assert store_all(gateways[0].address, [one]).failed == {}
    get_when_alive(gateways[1], one)
    port = free_port()
    text = configuration(port, [gateway.address for gateway in gateways])
    with balancer(tmp_path, text, port):
        behind = SimpleNamespace(address=("127.0.0.1", port))
        for _ in range(4):
            status, got, _ = get(behind, one)
            assert (status, len(got)) == (0x0000, 1)
            assert found(behind, one) == "ANY-SCP"


def test_a_database_that_is_not_there(start_gateway, tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text(f'[archive]\ndsn = "host={tmp_path} dbname=none"\n')
    program = run_cli("archive", "ls", "--config", config)
    assert program.popen.returncode == 1
    assert "archive.dsn: the database cannot be used" in program.err.text

"""`dicom-gateway serve` for a user: one line when it is ready, one line when it cannot start."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack

import pytest

from tests.patience import WALL
from tests.peers import instances, procfs, sender
from tests.peers.disk import mounted
from tests.peers.process import Gateway, run_cli
from tests.peers.raw import echo_ok


def one_line(program) -> str:
    """Return the only line of output, which is on standard error; the exit status is 2."""
    text = program.err.text.strip()
    assert program.popen.returncode == 2, program.report()
    assert len(text.splitlines()) == 1, f"more than one line: {text}"
    assert "Traceback" not in text
    return text


def test_ready_line_says_where_who_and_how_safe(gateway_process) -> None:
    line = gateway_process.ready_line
    assert "AE GATEWAY" in line
    assert str(gateway_process.data) in line
    assert "durable" in line
    assert gateway_process.address[0] == "127.0.0.1"
    assert gateway_process.address[1] > 0


def test_ready_means_ready(start_gateway) -> None:
    gateway = start_gateway()
    assert sender.store_all(gateway.address, instances.many(1)).failed == {}
    assert sender.store_all(gateway.address, instances.many(1)).statuses


def test_run_directory_is_private(gateway_process) -> None:
    mode = stat.S_IMODE((gateway_process.data / "run").stat().st_mode)
    assert mode == 0o700


def test_sockets_of_the_run_directory_are_private(gateway_process) -> None:
    for path in (gateway_process.data / "run").rglob("*"):
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_children_name_their_role(gateway_process) -> None:
    assert "gateway.acceptor" in procfs.command_line(gateway_process.child("acceptor-0"))
    assert "gateway.sdk.runner" in procfs.command_line(gateway_process.child("storage-0"))


def test_echo_command(gateway_process) -> None:
    done = run_cli("echo", *gateway_process.address)
    assert done.popen.returncode == 0, done.report()
    assert "Traceback" not in done.err.text


def test_echo_command_with_titles(gateway_process) -> None:
    done = run_cli(
        "echo", *gateway_process.address, "--aet", "ME", "--aec", "YOU", "--timeout", WALL
    )
    assert done.popen.returncode == 0, done.report()


def test_echo_command_where_nobody_listens(folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    done = run_cli("echo", "127.0.0.1", port)
    assert done.popen.returncode not in (0, 2)
    assert str(port) in done.err.text + done.out.text
    assert "Traceback" not in done.err.text


def test_several_acceptors_on_one_port(start_gateway) -> None:
    gateway = start_gateway("", "--acceptors", "2")
    assert gateway.child("acceptor-0") != gateway.child("acceptor-1")
    outcomes = sender.in_parallel(
        8, instances.many(80), lambda share: sender.store_all(gateway.address, share)
    )
    assert [o.errors for o in outcomes] == [[]] * 8
    assert sum(len(o.statuses) for o in outcomes) == 80
    assert [o.failed for o in outcomes] == [{}] * 8


def test_ae_title_option(start_gateway) -> None:
    gateway = start_gateway("", "--ae-title", "OTHER")
    assert "AE OTHER" in gateway.ready_line


def test_second_serve_on_the_same_data_is_refused(gateway_process) -> None:
    done = run_cli("serve", "--port", 0, "--data", gateway_process.data)
    assert str(gateway_process.data) in one_line(done)
    assert echo_ok(gateway_process.address)


def test_port_taken(folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_cli("serve", "--port", port, "--data", folder / "data")
    assert str(port) in one_line(done)


def test_address_that_is_not_ours(folder) -> None:
    done = run_cli("serve", "--host", "203.0.113.1", "--port", 0, "--data", folder / "data")
    assert "203.0.113.1" in one_line(done)


def test_data_directory_is_a_file(folder) -> None:
    (folder / "data").write_text("")
    done = run_cli("serve", "--port", 0, "--data", folder / "data")
    assert str(folder / "data") in one_line(done)


def test_data_directory_cannot_be_made(folder) -> None:
    """Not even root can make directories in /proc."""
    done = run_cli("serve", "--port", 0, "--data", "/proc/gateway-data")
    assert "/proc/gateway-data" in one_line(done)


def test_data_directory_not_writable(folder) -> None:
    """A read-only file system stops root too, unlike permissions."""
    data = folder / "data"
    with ExitStack() as stack:
        if os.geteuid() == 0:
            stack.enter_context(mounted(data, "ro"))
        else:
            data.mkdir(mode=0o555)
        done = run_cli("serve", "--port", 0, "--data", data)
        assert str(data) in one_line(done)


TYPOS = {
    "unknown table": ("[asociation]\nmax_pdu = 1\n", "asociation"),
    "unknown key": ("[association]\nmaxpdu = 65536\n", "association.maxpdu"),
    "wrong type": ('[association]\nmax_pdu = "big"\n', "association.max_pdu"),
    "out of range": ("[association]\nmax_pdu = 5\n", "association.max_pdu"),
    "port out of range": ("[gateway]\nport = 70000\n", "gateway.port"),
    "AE title of 17 characters": ('[gateway]\nae_title = "ABCDEFGHIJKLMNOPQ"\n', "ae_title"),
    "unknown event": ('[policy]\nrequire = ["EVT_NO"]\n', "policy.require"),
    "unknown worker setting": ("[workers.storage]\nproceses = 2\n", "workers.storage.proceses"),
    "no TOML": ("[gateway\n", "gateway.toml"),
}


@pytest.mark.parametrize(("toml", "path"), TYPOS.values(), ids=TYPOS)
def test_configuration_typo_is_named_with_its_path(folder, toml: str, path: str) -> None:
    file = folder / "gateway.toml"
    file.write_text(toml)
    done = run_cli("serve", "--data", folder / "data", "--config", file)
    assert path in one_line(done)


def test_configuration_file_that_is_not_there(folder) -> None:
    missing = folder / "nowhere.toml"
    done = run_cli("serve", "--port", 0, "--data", folder / "data", "--config", missing)
    assert str(missing) in one_line(done)


def test_environment_typo_is_named(folder) -> None:
    done = run_cli(
        "serve", "--port", 0, "--data", folder / "data",
        env={"DICOM_GATEWAY_ASSOCIATION__MAX_PDUU": "65536"},
    )  # fmt: skip
    assert "DICOM_GATEWAY_ASSOCIATION__MAX_PDUU" in one_line(done)


def test_worker_that_does_not_exist_is_named(folder) -> None:
    file = folder / "gateway.toml"
    file.write_text('[workers.mine]\nworker = "no_such_module:worker"\n')
    done = run_cli("serve", "--port", 0, "--data", folder / "data", "--config", file)
    assert done.popen.returncode == 2, done.report()
    assert "no_such_module" in done.err.text
    assert "Traceback" not in done.err.text


def test_deep_data_directory(folder) -> None:
    """The path of a Unix socket is limited to 107 bytes; this directory's is longer."""
    deep = folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    gateway = Gateway(deep)
    try:
        assert sender.store_all(gateway.address, instances.many(1)).failed == {}
        assert gateway.stop() == 0
    finally:
        gateway.close()


def test_written_durability_is_named_at_start(start_gateway) -> None:
    gateway = start_gateway('[gateway]\ndurability = "written"\n')
    assert "written" in gateway.ready_line
    assert sender.store_all(gateway.address, instances.many(2)).failed == {}


def test_spool_and_archive_on_two_file_systems(folder) -> None:
    with mounted(folder / "data" / "archive"):
        done = run_cli("serve", "--port", 0, "--data", folder / "data")
        assert "file system" in one_line(done)

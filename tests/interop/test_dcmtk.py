"""DCMTK's tools as SCUs: what they sent is what is stored, to the byte."""

from __future__ import annotations

import pytest

from tests.accountant import read_archive
from tests.peers import dcmtk, instances, streams, wire
from tests.peers.proxy import Proxy

pytestmark = pytest.mark.peer("dcmtk")

SYNTAXES = instances.TRANSFER_SYNTAXES
PROPOSE = {"implicit": "-xi", "explicit": "-xe", "big-endian": "-xb", "deflated": "-xd"}
"""storescu's options: propose this one, with the others behind it."""


def sent_and_stored(gateway, proxy: Proxy):
    """(UID, transfer syntax, SHA-256) of what the wire saw, and of what is on disk."""
    proxy.wait_closed()
    sent = set()
    for recording in proxy.recordings:
        syntaxes = streams.transfer_syntaxes(bytes(recording.to_client))
        for message in streams.messages(bytes(recording.to_server)):
            if message.command_field == 0x0001:
                sent.add((message.instance_uid, syntaxes[message.context_id], message.digest))
    stored, bad = read_archive(gateway.archive)
    assert bad == []
    return sent, {(one.uid, one.transfer_syntax, one.digest) for one in stored}


def test_echoscu(gateway_process) -> None:
    host, port = gateway_process.address
    done = dcmtk.run("echoscu", "-v", host, port)
    assert done.returncode == 0, done.stdout
    assert "Received Echo Response (Success)" in done.stdout


def test_echoscu_with_many_contexts_and_repetitions(gateway_process) -> None:
    host, port = gateway_process.address
    done = dcmtk.run("echoscu", "-ppc", 128, "-pts", 20, "--repeat", 20, host, port)
    assert done.returncode == 0, done.stdout


def test_echoscu_that_aborts_leaves_the_gateway_well(gateway_process) -> None:
    host, port = gateway_process.address
    assert dcmtk.run("echoscu", "--abort", host, port).returncode == 0
    assert dcmtk.run("echoscu", host, port).returncode == 0


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_storescu(gateway_process, tmp_path, syntax: str) -> None:
    mine = instances.many(5, SYNTAXES[syntax], size=70_000) + instances.many(5, SYNTAXES[syntax])
    instances.write_folder(tmp_path, mine)
    with Proxy(gateway_process.address) as proxy:
        host, port = proxy.address
        done = dcmtk.run("storescu", PROPOSE[syntax], "+sd", "+r", host, port, tmp_path)
        assert done.returncode == 0, done.stdout
        sent, stored = sent_and_stored(gateway_process, proxy)
    assert {uid for uid, _, _ in sent} == {one.uid for one in mine}
    assert {transfer for _, transfer, _ in sent} == {SYNTAXES[syntax]}
    assert sent <= stored


@pytest.mark.parametrize("limit", [4096, 131072])
def test_storescu_with_its_smallest_and_largest_pdu(gateway_process, tmp_path, limit: int) -> None:
    mine = instances.many(2, size=500_000)
    instances.write_folder(tmp_path, mine)
    host, port = gateway_process.address
    done = dcmtk.run(
        "storescu", "-xe", "--max-pdu", limit, "--max-send-pdu", limit, "+sd", "+r",
        host, port, tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    stored = {one.uid: one.digest for one in read_archive(gateway_process.archive)[0]}
    assert {one.uid for one in mine} <= set(stored)


@pytest.mark.slow
def test_storescu_with_a_thousand_instances(gateway_process, thousand, thousand_folder) -> None:
    with Proxy(gateway_process.address) as proxy:
        host, port = proxy.address
        done = dcmtk.run("storescu", "+sd", "+r", "-nh", host, port, thousand_folder)
        assert done.returncode == 0, done.stdout[-2000:]
        sent, stored = sent_and_stored(gateway_process, proxy)
    assert {uid for uid, _, _ in sent} == {one.uid for one in thousand}
    assert sent <= stored
    mine = {one.uid for one in thousand}
    files = [one for one in read_archive(gateway_process.archive)[0] if one.uid in mine]
    assert len(files) == 1000, "each instance is one file"


def test_stored_files_are_files_to_dcmftest(gateway_process, tmp_path) -> None:
    mine = [instances.make(syntax) for syntax in SYNTAXES.values()]
    for one in mine:
        folder = instances.write_folder(tmp_path / one.uid[-7:], [one])
        host, port = gateway_process.address
        option = PROPOSE[{v: k for k, v in SYNTAXES.items()}[one.transfer_syntax]]
        assert dcmtk.run("storescu", option, "+sd", "+r", host, port, folder).returncode == 0
    paths = [one.path for one in read_archive(gateway_process.archive)[0]]
    assert len(paths) >= len(mine)
    done = dcmtk.run("dcmftest", *paths)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("yes:") == len(paths)


def test_dcmtk_reads_the_stored_data_sets(gateway_process, tmp_path) -> None:
    instance = instances.make(wire.DEFLATED)
    host, port = gateway_process.address
    folder = instances.write_folder(tmp_path, [instance])
    assert dcmtk.run("storescu", "-xd", "+sd", "+r", host, port, folder).returncode == 0
    (path,) = [
        one.path for one in read_archive(gateway_process.archive)[0] if one.uid == instance.uid
    ]
    done = dcmtk.run("dcmdump", "+P", "0008,0018", path)
    assert instance.uid in done.stdout

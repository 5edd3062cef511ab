"""`store` to this gateway through a connection that is cut: the summary is true each time."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.accountant import read_archive
from tests.cli import peers
from tests.patience import WALL
from tests.peers import instances, streams
from tests.peers.process import run_cli
from tests.peers.proxy import Fault, Proxy

COUNT = 6
PLACES = 50


@pytest.fixture(scope="module")
def whole(gateway_process, tmp_path_factory) -> int:
    """Bytes that the client sends if nothing is cut."""
    folder = instances.write_folder(tmp_path_factory.mktemp("whole"), make())
    with Proxy(gateway_process.address) as proxy:
        program = run_cli("store", *proxy.address, folder)
        assert program.popen.returncode == 0, program.report()
        proxy.wait_closed()
        (recording,) = proxy.recordings
        return len(recording.to_server)


def make() -> list[instances.Instance]:
    return instances.many(COUNT - 1) + instances.many(1, size=100_000)


@pytest.mark.parametrize("place", range(PLACES))
def test_cut(gateway_process, whole: int, tmp_path, place: int) -> None:
    fault = Fault.RESET if place % 2 else Fault.CUT
    mine = make()
    folder = instances.write_folder(tmp_path, mine)
    with Proxy(gateway_process.address, fault=fault, at=whole * place // PLACES) as proxy:
        program = run_cli("store", *proxy.address, folder, "--json", "--timeout", WALL)
        proxy.wait_closed()
        acknowledged = Counter(
            message.instance_uid
            for recording in proxy.recordings
            for message in streams.messages(bytes(recording.to_client))
            if message.status == 0
        )
    text = program.out.text
    assert "Traceback" not in program.err.text
    files, summary = peers.events(text, "file"), peers.summary(text)
    assert sorted(one["sop_instance_uid"] for one in files) == sorted(one.uid for one in mine)
    results = Counter(one["result"] for one in files)
    told = {one["sop_instance_uid"] for one in files if one["result"] == "stored"}
    assert told <= set(acknowledged)
    stored = {one.uid: one.digest for one in read_archive(gateway_process.archive)[0]}
    for one in mine:
        if one.uid in told:
            assert stored[one.uid] == one.digest
    assert summary["stored"] == results["stored"] == len(told)
    assert summary["failed"] == results["failed"]
    assert summary["not_sent"] == results["not sent"]
    assert results.total() == COUNT
    assert program.popen.returncode == (0 if len(told) == COUNT else 1)
    assert all(one["reason"] for one in files if one["result"] != "stored")

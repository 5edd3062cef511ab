"""A C-GET of a large instance whose peer accepts another transfer syntax only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.datasets import identify
from gateway.datasets.byte_sources import BytesSource
from gateway.datasets.reencoding import ENCODINGS, reencode
from tests.conftest import running
from tests.peers import instances, sender, wire
from tests.peers.process import run_cli

if TYPE_CHECKING:
    from pathlib import Path


def test_every_value_arrives_as_it_was_stored(tmp_path: Path) -> None:
    large, small = instances.make(size=9_000_000), instances.make()
    study = f"StudyInstanceUID={large.uid.rpartition('.')[0]}.1"
    with running("") as gateway:
        assert sender.store_all(gateway.address, [large, small]).failed == {}
        asked = "--transfer-syntax", wire.IMPLICIT, "-k", study, "--out", tmp_path
        done = run_cli("get", *gateway.address, *asked)
        assert done.popen.returncode == 0, done.report()
    for one in (large, small):
        received = identify(tmp_path / f"{one.uid}.dcm")
        assert received.transfer_syntax_uid == wire.IMPLICIT
        encodings = ENCODINGS[wire.EXPLICIT], ENCODINGS[wire.IMPLICIT]
        assert received.read() == b"".join(reencode(BytesSource(one.data_set), *encodings))

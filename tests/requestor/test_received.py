"""Instances of a C-GET as files."""

from __future__ import annotations

import asyncio
import errno

import pytest

from gateway.dimse.message import CStoreRQ
from gateway.part10 import read_file_meta
from gateway.requestor.incoming import IncomingRequest
from gateway.requestor.received import Folder
from gateway.ul.negotiation import AcceptedContext
from tests.peers import instances, wire


class Arrival:
    """One instance on its way into a folder."""

    def __init__(self, folder, syntax=wire.EXPLICIT, sop_class=wire.CT, uid="1.2.3") -> None:
        self.told = []
        handler = Folder(folder, self.told.append, "PEER")
        context = AcceptedContext(1, sop_class, syntax, False, True)
        self.receiver = handler(IncomingRequest(context, CStoreRQ(1, sop_class, uid), True))

    def write(self, data: bytes, step: int = 1000) -> None:
        for at in range(0, len(data), step):
            self.receiver.write(memoryview(data)[at : at + step])

    def finish(self) -> int:
        return asyncio.run(self.receiver.finish())


@pytest.mark.parametrize("syntax", instances.TRANSFER_SYNTAXES.values())
def test_whole_instance_has_its_file(tmp_path, syntax) -> None:
    made = instances.make(syntax, size=700_000)
    arrival = Arrival(tmp_path, syntax, uid=made.uid)
    arrival.write(made.data_set)
    assert not list(tmp_path.glob("*.dcm"))
    assert arrival.finish() == 0
    path = tmp_path / f"{made.uid}.dcm"
    meta = read_file_meta(path)
    assert (meta.sop_instance_uid, meta.transfer_syntax_uid) == (made.uid, syntax)
    assert meta.source_ae_title == "PEER"
    assert path.read_bytes()[meta.offset :] == made.data_set
    assert list(tmp_path.iterdir()) == [path]
    assert arrival.told[0].path == path
    assert arrival.told[0].size == len(made.data_set)


def test_same_instance_again_takes_the_place(tmp_path) -> None:
    for data in (b"first", b"second"):
        arrival = Arrival(tmp_path)
        arrival.write(data)
        assert arrival.finish() == 0
    (path,) = tmp_path.iterdir()
    assert path.read_bytes().endswith(b"second")


def test_incomplete_instance_leaves_nothing(tmp_path) -> None:
    arrival = Arrival(tmp_path)
    arrival.write(bytes(600_000))
    arrival.receiver.discard()
    assert list(tmp_path.iterdir()) == []
    assert arrival.told == []


def test_disagreement_is_refused(tmp_path) -> None:
    made = instances.make()
    arrival = Arrival(tmp_path, uid="1.2.3")
    arrival.write(made.data_set)
    assert arrival.finish() == 0xA900
    arrival2 = Arrival(tmp_path, sop_class=wire.MR, uid=made.uid)
    arrival2.write(made.data_set)
    assert arrival2.finish() == 0xA900
    assert list(tmp_path.iterdir()) == []
    assert "SOP instance" in arrival.told[0].text
    assert "SOP class" in arrival2.told[0].text


@pytest.mark.parametrize("uid", ["../../etc/passwd", "a/b", "", "1.2.3\n", "x" * 5000])
def test_no_path_is_made_of_what_is_no_uid(tmp_path, uid) -> None:
    arrival = Arrival(tmp_path, uid=uid)
    arrival.write(b"data")
    assert arrival.finish() == 0
    (path,) = tmp_path.iterdir()
    assert path.name.removesuffix(".dcm").isalnum()


def test_full_disk_is_told(tmp_path) -> None:
    class Full:
        def write(self, data) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    arrival = Arrival(tmp_path)
    arrival.receiver._file.close()
    arrival.receiver._file = Full()
    with pytest.raises(OSError, match="No space"):
        arrival.write(bytes(600_000), step=300_000)
    arrival.receiver.discard()
    assert arrival.told[0].status == 0xA700
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_gone_is_told(tmp_path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Arrival(tmp_path / "gone")

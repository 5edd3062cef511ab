"""The identification of instances in files, and their reading."""

from __future__ import annotations

import asyncio
import os
import socket
import warnings

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from gateway.datasets import NotDicom
from gateway.datasets.instances import PIECE, FilePart, Instance, identify, in_memory, walk
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN
from tests.peers import instances, wire
from tests.requestor.conftest import TEST_FILES


def read(part: FilePart) -> list[bytes]:
    async def work() -> list[bytes]:
        return [piece async for piece in part]

    return asyncio.run(work())


@pytest.mark.parametrize("syntax", instances.TRANSFER_SYNTAXES.values())
def test_part_10_file(tmp_path, syntax: str) -> None:
    made = instances.make(syntax)
    path = tmp_path / "file"
    path.write_bytes(made.part10())
    found = identify(path)
    assert (found.sop_class_uid, found.sop_instance_uid) == (wire.CT, made.uid)
    assert found.transfer_syntax_uid == syntax
    assert found.size == len(made.data_set)
    assert b"".join(read(found.data_set())) == made.data_set


def test_implicit_data_set_without_header(tmp_path) -> None:
    made = instances.make(wire.IMPLICIT)
    path = tmp_path / "file"
    path.write_bytes(made.data_set)
    found = identify(path)
    assert found.sop_instance_uid == made.uid
    assert found.transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
    assert b"".join(read(found.data_set())) == made.data_set


def test_explicit_data_set_without_header_is_not_guessed_at(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(instances.make(wire.EXPLICIT).data_set)
    with pytest.raises(NotDicom, match="no DICM prefix"):
        identify(path)


def test_meta_without_uids_is_completed_from_the_data_set(tmp_path) -> None:
    made = instances.make(wire.EXPLICIT)
    meta = b"\x02\x00\x10\x00UI\x14\x00" + b"1.2.840.10008.1.2.1\0"
    path = tmp_path / "file"
    path.write_bytes(bytes(128) + b"DICM" + meta + made.data_set)
    found = identify(path)
    assert (found.sop_class_uid, found.sop_instance_uid) == (wire.CT, made.uid)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello", "no DICM prefix"),
        (bytes(200_000), "no DICM prefix"),
        (bytes(128) + b"DICM", "Transfer Syntax"),
        (os.urandom(300), "no DICM prefix"),
    ],
)
def test_what_is_not_dicom(tmp_path, content: bytes, words: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(NotDicom, match=words):
        identify(path)


def test_what_is_no_file(tmp_path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotDicom, match="not a regular file"):
        identify(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        with pytest.raises(NotDicom, match="not a regular file"):
            identify(tmp_path / "s")
    with pytest.raises(NotDicom, match="No such file"):
        identify(tmp_path / "none")
    with pytest.raises(NotDicom, match="not a regular file"):
        identify(tmp_path)


def test_dicomdir_is_named_as_such() -> None:
    with pytest.raises(NotDicom, match="a DICOMDIR"):
        identify(TEST_FILES / "dicomdirtests" / "DICOMDIR")


def test_every_file_of_pydicom_is_sent_or_named() -> None:
    """Every file that pydicom reads, with all three UIDs and not a DICOMDIR, can be sent."""
    for path in walk([TEST_FILES]):
        sendable = _sendable(path)
        try:
            found = identify(path)
        except NotDicom:
            assert not sendable, path
        else:
            assert found.size == path.stat().st_size - found.offset
            assert b"".join(read(found.data_set())) == path.read_bytes()[found.offset :]


def _sendable(path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta = dcmread(path, stop_before_pixels=True).file_meta
        return bool(
            meta.MediaStorageSOPInstanceUID
            and meta.TransferSyntaxUID
            and not meta.MediaStorageSOPClassUID.startswith("1.2.840.10008.1.3.10")
        )
    except (InvalidDicomError, AttributeError):
        return False


def test_walk_is_in_order_and_follows_no_links_to_folders(tmp_path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    for name in ("b/2", "b/1", "a", "c"):
        (tmp_path / name).write_bytes(b"")
    found = [path.relative_to(tmp_path).as_posix() for path in walk([tmp_path])]
    assert found == ["a", "c", "b/1", "b/2"]
    assert list(walk([tmp_path / "none"])) == [tmp_path / "none"]


def test_big_file_is_read_in_pieces(tmp_path) -> None:
    path = tmp_path / "file"
    content = os.urandom(2 * PIECE + 77)
    path.write_bytes(content)
    pieces = read(FilePart(path, 7, len(content) - 7, b"\0"))
    assert max(map(len, pieces)) == PIECE
    assert b"".join(pieces) == content[7:] + b"\0"


def test_file_that_became_shorter_is_an_error(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    with pytest.raises(OSError, match="became shorter"):
        read(FilePart(path, 0, 101))
    with pytest.raises(OSError, match="became shorter"):
        read(FilePart(path, 200, 10))


def test_empty_data_set(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert b"".join(read(FilePart(path, 0, 0))) == b""


def test_in_memory_is_the_same_data_set_with_its_padding(tmp_path) -> None:
    path = tmp_path / "one"
    path.write_bytes(b"head" + b"data set")
    instance = Instance("1.2", "1.3", "1.2.840.10008.1.2.1", 8, path, 4, is_padded=True)
    assert in_memory(instance, 7) is instance
    read = in_memory(instance, 8)
    assert read.data_set() == b"data set\0"
    path.write_bytes(b"head")
    assert in_memory(instance, 8) is instance, "it says so when it is sent"
    assert in_memory(read, 8) is read

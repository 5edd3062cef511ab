"""The file of a recording: what is written is read, what is not a recording is refused exactly."""

from __future__ import annotations

import errno
import io
import json
import struct
import subprocess

import pytest

from gateway.cli import recording as files
from gateway.cli.pcap import write_pcap
from gateway.cli.recorded_events import EventReader
from gateway.cli.recorded_pdus import PduSplitter, redacted
from gateway.cli.recording import ACCEPTOR, REQUESTOR, RecordingError, RecordingWriter, read
from tests.patience import WALL
from tests.peers import wire

RQ = wire.pdu(0x01, b"\0\1\0\0" + b"STORESCP".ljust(16) + b"ECHOSCU".ljust(16) + bytes(32))
HEADER = {"format": files.FORMAT, "version": 1, "began": 1000.0, "redacted": False}
OPEN = {"t": 0, "is": "open", "n": 1, "requestor": "127.0.0.1:5000", "acceptor": "10.1.2.3:104"}


def written(tmp_path, most: int = 1 << 20, **how):
    path = tmp_path / "a.dcmrec"
    with files.create(path) as file:
        writer = RecordingWriter(file, most, clock=iter(range(1000, 2000)).__next__, **how)
        writer.open(1, "127.0.0.1:5000", "10.1.2.3:104")
        writer.pdu(1, REQUESTOR, b"abc")
        writer.pdu(1, ACCEPTOR, b"de", 5)
        writer.end(1, REQUESTOR)
    return path


def test_what_is_written_is_read(tmp_path):
    path = written(tmp_path, is_redacted=True)
    found = read(path)
    assert (found.began, found.is_redacted, found.is_full) == (1000, True, False)
    (one,) = found.connections
    assert (one.requestor, one.acceptor) == ("127.0.0.1:5000", "10.1.2.3:104")
    assert [(p.at, p.sender, p.data, p.is_cut) for p in one.parts] == [
        (2, REQUESTOR, b"abc", False),
        (3, ACCEPTOR, b"de\0\0\0", True),
        (4, REQUESTOR, None, False),
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_has_a_limit_and_says_that_it_is_full(tmp_path):
    path = written(tmp_path, most=300)
    assert path.stat().st_size <= 300 + 40
    found = read(path)
    assert found.is_full
    assert len(found.connections[0].parts) < 3


class FullDisk(io.BytesIO):
    """A file that takes so many bytes, and the last write in part."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data) -> int:
        taken = min(len(data), self.room - self.tell())
        if taken <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[:taken])

    def truncate(self, size=None) -> int:
        self.seek(size)
        return super().truncate(size)


@pytest.mark.parametrize("room", [0, 50, 200, 250, 300])
def test_a_full_disk_ends_the_recording_with_a_whole_line(tmp_path, room):
    disk = FullDisk(room)
    writer = RecordingWriter(disk, 1 << 20)
    writer.open(1, "127.0.0.1:5000", "10.1.2.3:104")
    for _ in range(5):
        writer.pdu(1, REQUESTOR, b"abc")
    assert writer.failure == "No space left on device"
    assert disk.getvalue()[-1:] in (b"\n", b"")
    disk.room = 1 << 20
    before = disk.getvalue()
    writer.end(1, REQUESTOR)
    assert disk.getvalue() == before, "nothing further is recorded"
    if before:
        path = tmp_path / "cut.dcmrec"
        path.write_bytes(before)
        assert all(part.data == b"abc" for one in read(path).connections for part in one.parts)


def test_a_file_is_not_overwritten(tmp_path):
    path = written(tmp_path)
    with pytest.raises(RecordingError, match="cannot be created: File exists"):
        files.create(path)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "has no header"),
        ([{"a": 1}], "has no header"),
        ([{**HEADER, "version": 2}], "has version 2; this program reads version 1"),
        ([{**HEADER, "began": "x"}], ":1: began = 'x': it must be a number"),
        ([{**HEADER, "began": -1}], ":1: began = -1: it must be a number"),
        ([{**HEADER, "began": 1e99}], ":1: began = 1e+99: it must be a number"),
        ([HEADER, b"{"], ":2: not JSON"),
        ([HEADER, b"[" * 100_000], ":2: not JSON"),
        ([HEADER, {**OPEN, "t": float("nan")}], ":2: t = nan: it must be a number"),
        ([HEADER, {**OPEN, "t": float("inf")}], ":2: t = inf: it must be a number"),
        ([HEADER, {**OPEN, "t": -1001}], ":2: t = -1001: it must be a number"),
        ([HEADER, {"t": 0, "is": {}}], ":2: is = {}: it must be open, pdu, end, full"),
        ([HEADER, [1]], ":2: not a JSON object"),
        ([HEADER, {"t": 0, "is": "what"}], ":2: is = 'what': it must be open, pdu, end, full"),
        ([HEADER, {"is": "open"}], ":2: t = None: it must be a number"),
        ([HEADER, {"t": 0, "is": "open", "n": 1}], ":2: requestor is missing"),
        ([HEADER, {**OPEN, "n": -1}], ":2: n = -1: it must be a whole number"),
        ([HEADER, OPEN, OPEN], ":3: connection 1 is open already"),
        ([HEADER, {"t": 0, "is": "end", "n": 1, "from": ACCEPTOR}], ":2: connection 1 was not"),
        ([HEADER, OPEN, {"t": 0, "is": "end", "n": 1, "from": "me"}], ":3: from = 'me'"),
        (
            [HEADER, OPEN, {"t": 0, "is": "pdu", "n": 1, "from": ACCEPTOR, "data": "?"}],
            ":3: data is not base64",
        ),
        (
            [
                *(HEADER, OPEN),
                {"t": 0, "is": "pdu", "n": 1, "from": ACCEPTOR, "data": "YWJj", "length": 1 << 40},
            ],
            ":3: length = 1099511627776 with 3 bytes of data",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_line(tmp_path, lines, text):
    path = tmp_path / "wrong.dcmrec"
    encoded = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    path.write_bytes(b"".join(one + b"\n" for one in encoded))
    with pytest.raises(RecordingError) as refused:
        read(path)
    assert text in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_that_ends_early_or_is_none_is_refused(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RecordingError, match=":5: the file ends within a line"):
        read(path)
    path.write_bytes(bytes(1000))
    with pytest.raises(RecordingError, match="the file ends within a line"):
        read(path)
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        read(tmp_path / "missing")


PDATA = wire.pdu(0x04, struct.pack(">IBB", 2 + 3, 1, 0x02) + b"SEC")


def test_a_stream_is_cut_into_pdus_however_it_comes():
    stream = RQ + PDATA + wire.pdu(0x05, bytes(4))
    for size in (1, 7, 1000):
        splitter, found = PduSplitter(), []
        for begin in range(0, len(stream), size):
            found += splitter.feed(stream[begin : begin + size])
        assert found == [RQ, PDATA, wire.pdu(0x05, bytes(4))]
        assert splitter.rest() == []


def test_what_is_no_pdu_comes_as_it_is():
    splitter = PduSplitter()
    assert splitter.feed(RQ + b"GET / HTTP/1.1\r\n") == [RQ, b"GET / HTTP/1.1\r\n"]
    assert splitter.feed(b"more") == [b"more"]
    splitter = PduSplitter()
    assert splitter.feed(RQ[:20]) == []
    assert splitter.rest() == [RQ[:20]]


def test_redaction_keeps_structure_and_no_data_set():
    made = redacted(PDATA)
    assert len(made) == len(PDATA)
    assert b"SEC" not in made
    command = (
        struct.pack("<HHIH", 0, 0x0900, 2, 0xA700) + struct.pack("<HHI", 0, 0x0902, 4) + b"DOE^"
    )
    pdu = wire.pdu(0x04, struct.pack(">IBB", 2 + len(command), 1, 0x03) + command)
    assert b"DOE" not in redacted(pdu)
    assert redacted(pdu)[:22] == pdu[:22]
    assert redacted(wire.pdu(0x04, struct.pack(">IBB", 100, 1, 0) + b"SEC"))[6:] == bytes(9)
    assert redacted(b"SEC") == bytes(3)
    assert redacted(wire.pdu(0x07, b"\0\0\2\1")) == wire.pdu(0x07, b"\0\0\2\1")


def test_events_are_in_words():
    reader = EventReader()
    found = reader.feed(wire.pdu(0x03, b"\0\1\1\3") + wire.pdu(0x07, b"\0\0\2\1") + b"X" * 8)
    assert [one.text for one in found][:2] == ["A-ASSOCIATE-RJ (1,1,3)", "A-ABORT (2,1)"]
    assert found[2].kind == "not-a-PDU"


def test_a_pcap_has_packets_with_right_checksums(tmp_path):
    file = io.BytesIO()
    packets = write_pcap(read(written(tmp_path)), file)
    data = file.getvalue()
    assert struct.unpack("<IHHiIII", data[:24]) == (0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 101)
    at, seen = 24, 0
    while at < len(data):
        _, _, length, whole = struct.unpack("<IIII", data[at : at + 16])
        assert length == whole
        packet = data[at + 16 : at + 16 + length]
        assert _sum(packet[:20]) == 0xFFFF
        pseudo = packet[12:20] + struct.pack(">BBH", 0, 6, length - 20)
        assert _sum(pseudo + packet[20:]) == 0xFFFF
        at, seen = at + 16 + length, seen + 1
    assert seen == packets == 6


def _sum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.peer("tshark")
def test_wireshark_reads_the_export(tmp_path):
    path = tmp_path / "a.dcmrec"
    with files.create(path) as file:
        writer = RecordingWriter(file, 1 << 20)
        writer.open(1, "127.0.0.1:5000", "somewhere.example:11112")
        context = wire.context(1)
        user = wire.item(0x50, wire.maximum_length(16384) + wire.implementation())
        application = wire.item(0x10, wire.APPLICATION_CONTEXT.encode())
        body = RQ[6:74] + application + context + user
        writer.pdu(1, REQUESTOR, wire.pdu(0x01, body))
        writer.pdu(1, ACCEPTOR, wire.pdu(0x03, b"\0\1\1\3"))
        writer.end(1, ACCEPTOR)
        writer.end(1, REQUESTOR)
    out = tmp_path / "a.pcap"
    with files.create(out) as made:
        write_pcap(read(path), made)
    command = ["tshark", "-r", str(out), "-Y", "dicom"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WALL, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stdout + done.stderr
    assert "A-ASSOCIATE request" in lines[0]
    assert "A-ASSOCIATE reject" in lines[1]

"""`dicom-gateway load` as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import signal
import struct
import subprocess
from contextlib import suppress
from fcntl import ioctl
from html import unescape
from termios import TIOCSWINSZ

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt

from gateway.uid import KEYWORDS
from tests.cli import peers
from tests.load.conftest import validate
from tests.load.fake import SILENT, Script, serving
from tests.patience import WALL
from tests.peers.process import COMMAND, Program, run_cli


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--mix", "ct=70,xx=30"), "--mix"),
        (("--size", "huge"), "--size"),
        (("--duration", "soon"), "--duration"),
        (("--ramp", "1:2"), "--ramp"),
        (("--rate", "0"), "--rate"),
        (("--rate", "5", "--ramp", "1:2:3s"), "--ramp"),
        (("--slo", "p99<fast"), "--slo"),
        (("--study", "x"), "--study"),
        (("--processes", "2"), "--processes"),
        (("--keep-uids",), "--keep-uids"),
        (("--key", "PatientID"), "--key"),
        (("--verify", "/nowhere"), "--verify"),
        (("--operation", "echo", "--verify", "find"), "--verify"),
        (("--json", "/nowhere/report.json"), "--json"),
        (("--html", "/nowhere/report.html"), "--html"),
        (("--aet", "AN AE TITLE THAT IS TOO LONG"), "--aet"),
    ],
)
def test_a_wrong_option_is_named(options, named) -> None:
    program = run_cli("load", "127.0.0.1", "1", *options)
    assert program.popen.returncode == 2
    assert named in program.err.text
    assert "Traceback" not in program.err.text


def test_files_that_are_none_are_named(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("text")
    program = run_cli("load", "127.0.0.1", "1", "--files", tmp_path / "a.txt")
    assert program.popen.returncode == 2
    assert "--files: nothing that can be sent" in program.err.text


def test_reports_are_written_and_the_summary_is_told(tmp_path) -> None:
    json_file, html_file = tmp_path / "r.json", tmp_path / "r.html"
    with serving() as server:
        program = run_cli(
            *("load", "127.0.0.1", server.port, "--count", 50, "--size", "1k"),
            *("--json", json_file, "--html", html_file, "--slo", "p99<20s,errors<1%"),
        )
    assert program.popen.returncode == 0, program.report()
    document = json.loads(json_file.read_text())
    validate(document)
    assert document["totals"]["acknowledged"] == 50
    assert document["command"].startswith(f"dicom-gateway load 127.0.0.1 {server.port} --count 50")
    assert document["command"] in unescape(html_file.read_text())
    assert "50 x success (status 0x0000)" in program.out.text
    assert "objective p99<20s: met" in program.out.text
    assert program.err.text == ""


def test_a_missed_objective_has_a_status_of_its_own() -> None:
    with serving(Script(delay=lambda number: 0.01)) as server:
        program = run_cli(
            "load", "127.0.0.1", server.port, "-o", "echo", "--count", 5, "--slo", "p50<1us"
        )
    assert program.popen.returncode == 3
    assert "objective p50<1us: MISSED" in program.out.text


def test_a_server_that_is_not_there_is_told(tmp_path) -> None:
    json_file = tmp_path / "r.json"
    with serving() as server:
        port = server.port
    program = run_cli("load", "127.0.0.1", port, "--json", json_file)
    assert program.popen.returncode == 1
    assert f"no connection to 127.0.0.1:{port}: Connection refused" in program.err.text
    validate(json.loads(json_file.read_text()))


def test_a_query_is_sent_again_and_again() -> None:
    with serving() as server:
        program = run_cli(
            *("load", "127.0.0.1", server.port, "-o", "find", "--count", 20, "-a", 2),
            *("-k", "PatientID=123", "--level", "study", "--aet", "ASKER"),
        )
        assert program.popen.returncode == 0, program.report()
        assert server.done.fields == {0x0020: 20}
        assert server.done.calling == {"ASKER"}
        assert all(b"123 " in data for data in server.done.data_sets.values())


def test_matches_of_queries_are_counted(tmp_path) -> None:
    def found(event):
        for number in range(3):
            match = Dataset()
            match.QueryRetrieveLevel = "STUDY"
            match.PatientID = f"{event.identifier.PatientID}-{number}"
            yield 0xFF00, match

    uid = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
    json_file = tmp_path / "r.json"
    with peers.pynetdicom_scp([uid], [(evt.EVT_C_FIND, found)]) as address:
        program = run_cli(
            *("load", *address, "-o", "find", "--count", 7, "-a", 2, "-k", "PatientID=P"),
            *("--json", json_file),
        )
    assert program.popen.returncode == 0, program.report()
    totals = json.loads(json_file.read_text())["totals"]
    assert (totals["answered"], totals["matches"]) == (7, 21)


def test_lines_come_while_it_runs() -> None:
    with serving(Script(delay=lambda number: 0.02)) as server:
        program = Program(
            *(COMMAND, "load", "127.0.0.1", server.port, "-o", "echo", "--duration", "600s"),
            *("--every", "0.1"),
        )
        for _ in range(2):
            program.out.wait_for("in flight.* errors 0|errors 0.* in flight")
            program.out.forget()
        program.popen.send_signal(signal.SIGINT)
        assert program.wait() == 130


def test_ctrl_c_ends_it_with_a_summary(tmp_path) -> None:
    json_file = tmp_path / "r.json"
    with serving(Script(delay=lambda number: 0.001)) as server:
        program = Program(
            *(COMMAND, "load", "127.0.0.1", server.port, "-o", "echo", "--duration", "600s"),
            *("--every", "0.3", "--json", json_file),
        )
        program.out.wait_for("in flight")
        program.popen.send_signal(signal.SIGINT)
        assert program.wait() == 130
        answered = server.done.operations
    document = json.loads(json_file.read_text())
    validate(document)
    assert document["outcome"]["interrupted"]
    assert document["totals"]["answered"] == answered > 0
    assert f"{answered:,} answered" in program.out.text


def test_a_second_ctrl_c_breaks_off() -> None:
    with serving(Script(status=lambda number: SILENT if number > 50 else 0)) as server:
        program = Program(
            *(COMMAND, "load", "127.0.0.1", server.port, "-o", "echo", "--duration", "600s"),
            *("--every", "0.3", "--drain", "300", "--timeout", "400"),
        )
        program.out.wait_for("in flight")
        program.popen.send_signal(signal.SIGINT)
        program.out.forget()
        program.out.wait_for("in flight")  # it is told also while nothing happens
        program.popen.send_signal(signal.SIGINT)
        assert program.wait() == 130
    assert "51 answered in" in program.out.text


def test_a_terminal_has_a_live_table() -> None:
    with serving(Script(delay=lambda number: 0.01)) as server:
        ours, theirs = pty.openpty()
        ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        process = subprocess.Popen(
            [COMMAND, "load", "127.0.0.1", str(server.port), "-o", "echo", "-d", "1.5s"],
            stdout=theirs,
            stderr=theirs,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"TERM": "xterm-256color"},
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the terminal's end
            while piece := os.read(ours, 65536):
                shown += piece
        os.close(ours)
        assert process.wait(WALL) == 0
    text = shown.decode()
    assert "C-ECHO, 1 association, closed loop" in text
    assert "in flight" in text
    assert "p99.9" in text
    assert "answered in" in text

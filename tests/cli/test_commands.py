"""The commands with peers that misbehave: a sentence, the right exit status, no traceback."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios

import pytest

from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN, KEYWORDS
from tests.cli import peers
from tests.patience import PATIENCE, WALL
from tests.peers import instances, wire
from tests.peers.process import COMMAND, Program, run_cli
from tests.requestor.scripted import Acceptor, scripted
from tests.requestor.test_association import hang

TIMEOUT = 0.7 * PATIENCE
QUICK = "--timeout", TIMEOUT
COMMANDS = {
    "echo": (),
    "store": ("FILE",),
    "find": ("-k", "PatientID=1"),
    "get": ("-k", "PatientID=1", "-o", "FOLDER"),
    "move": ("--dest", "X", "-k", "PatientID=1"),
}


@pytest.fixture(params=COMMANDS)
def command(request, tmp_path):
    """Runs one of the commands against an address."""
    path = tmp_path / "file.dcm"
    path.write_bytes(instances.make().part10())
    places = {"FILE": path, "FOLDER": tmp_path / "out"}
    rest = [places.get(one, one) for one in COMMANDS[request.param]]

    def run(address, *options: object):
        program = run_cli(request.param, *address, *rest, *options)
        text = program.out.text + program.err.text
        assert "Traceback" not in text, text
        return program.popen.returncode, text

    return run


def rejects(acceptor: Acceptor) -> None:
    acceptor.take_request()
    acceptor.peer.send(wire.associate_rj(2, 3, 1))
    acceptor.peer.recv_pdu()


def aborts(acceptor: Acceptor) -> None:
    acceptor.take_request()
    acceptor.peer.send(wire.abort(2, 4))
    acceptor.peer.recv_pdu()


def closes(acceptor: Acceptor) -> None:
    acceptor.take_request()


def speaks_http(acceptor: Acceptor) -> None:
    acceptor.peer.recv_pdu()
    acceptor.peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    hang(acceptor)


def accepts_nothing(acceptor: Acceptor) -> None:
    acceptor.take_request()
    answers = [(id_, 3, syntaxes[0]) for id_, _, syntaxes in acceptor.proposed]
    acceptor.peer.send(wire.associate_ac(*answers))
    acceptor.release_or_abort = acceptor.peer.recv_pdu()
    acceptor.peer.try_send(wire.release_rp())


def dies_in_mid_message(acceptor: Acceptor) -> None:
    acceptor.accept()
    acceptor.message()
    acceptor.peer.send(wire.p_data(wire.pdv(1, 1, wire.echo_rsp(1)[:20])))


def answers_nonsense(acceptor: Acceptor) -> None:
    acceptor.accept()
    message = acceptor.message()
    acceptor.peer.send(wire.message(message.context_id, wire.echo_rsp(4711)))
    hang(acceptor)


def accepts_and_hangs(acceptor: Acceptor) -> None:
    acceptor.accept()
    hang(acceptor)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (rejects, "rejected for now by the peer's service provider (presentation): temporary"),
        (aborts, "unrecognized PDU parameter (source 2, reason 4)"),
        (closes, "the peer closed the connection"),
        (speaks_http, "broke the protocol"),
        (accepts_nothing, "abstract syntax not supported"),
        (dies_in_mid_message, "closed the connection in the middle of a message"),
        (answers_nonsense, "made no sense"),
        (hang, f"no answer to the A-ASSOCIATE-RQ in {TIMEOUT:g} s"),
        (accepts_and_hangs, f"-RQ in {TIMEOUT:g} s; aborted"),
    ],
)
def test_misbehaving_peer(command, script, words: str) -> None:
    with scripted(script) as address:
        status, text = command(address, *QUICK)
    assert status == 1
    assert words in text


def test_nobody_there(command) -> None:
    with scripted(closes) as address:
        pass
    status, text = command(address)
    assert status == 1
    assert "Connection refused" in text


def test_wrong_title_is_a_usage_error(command) -> None:
    for option in ("--aet", "--aec"):
        status, text = command(("127.0.0.1", 1), option, "longer than 16 characters")
        assert status == 2
        assert "is not a valid AE title" in text


def test_json_has_a_summary_whatever_happens(command) -> None:
    with scripted(rejects) as address:
        status, text = command(address, "--json")
    assert status == 1
    assert '"event": "summary"' in text


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(name: str) -> None:
    program = run_cli(name, "--help")
    assert program.popen.returncode == 0
    text = " ".join(program.out.text.split())
    assert f"dicom-gateway {name} 127.0.0.1 11112" in text
    for option in ("--aet", "--aec", "--max-pdu", "--timeout", "--json"):
        assert option in text
    assert "exit status is 0" in text.lower()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("find", "127.0.0.1", "1", "-k", "PatientNam=x"), "did you mean PatientName"),
        (("find", "127.0.0.1", "1", "-k", "Rows=many"), "is not a valid US value"),
        (("get", "127.0.0.1", "1", "--root", "worklist"), "has no C-GET"),
        (("get", "127.0.0.1", "1", "--sop-class", "Nothing"), "not a known keyword or a valid UID"),
        (("move", "127.0.0.1", "1", "-k", "PatientID=1"), "--dest"),
        (("store", "127.0.0.1", "1"), "PATH"),
        (("store", "127.0.0.1", "0", "file"), "PORT"),
        (("echo", "127.0.0.1", "1", "--repeat", "0"), "--repeat"),
        (("get", "127.0.0.1", "1", "-o", "/dev/null/x"), "--out"),
    ],
)
def test_what_the_command_was_given_is_wrong(arguments, words: str) -> None:
    program = run_cli(*arguments)
    assert program.popen.returncode == 2, program.report()
    assert words in " ".join(program.err.text.split()), program.report()


def test_failure_status_of_a_query_in_words() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        comment = wire.element(0x0902, b"index is rebuilt")
        acceptor.respond(acceptor.message(), 0xA700, None, comment)
        acceptor.release()

    with scripted(script) as address:
        program = run_cli("find", *address)
    assert program.popen.returncode == 1
    assert 'out of resources (status 0xA700, the peer says "index is rebuilt")' in program.out.text


def test_match_that_is_garbage_is_named_and_the_rest_shown() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        acceptor.respond(message, 0xFF00, b"\x28\x00\x10\x00US\x10\x00abc")
        acceptor.respond(message, 0xFF00, explicit_patient_id())
        acceptor.respond(message, 0)
        acceptor.release()

    with scripted(script) as address:
        program = run_cli("find", *address)
    assert program.popen.returncode == 1
    assert "note: a match cannot be decoded" in program.out.text
    assert "1 match" in program.out.text
    assert "P\\x1b1" in program.out.text, "control characters are made visible"


def explicit_patient_id() -> bytes:
    return b"\x10\x00\x20\x00LO\x04\x00P\x1b1 "


def interrupted(name: str, script, *arguments: object):
    """SIGINT as soon as the script says so."""
    with scripted(script) as address:
        program = Program(COMMAND, name, *address, *arguments)
        script.ready.append(program)
        status = program.wait()
    assert "Traceback" not in program.err.text
    return status, program.out.text


class Interrupting:
    """A script that waits for C-CANCEL after it has shown that an operation runs."""

    def __init__(self, *, obey: bool) -> None:
        self.ready: list[Program] = []
        self.obey = obey
        self.cancelled = False

    def __call__(self, acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        acceptor.respond(message, 0xFF00, explicit_patient_id() if message.field == 0x20 else None)
        (program,) = self.ready
        program.popen.send_signal(signal.SIGINT)
        cancel = acceptor.message()
        assert cancel.field == 0x0FFF
        assert cancel.command[0x0120] == message.command[0x0110]
        self.cancelled = True
        if self.obey:
            acceptor.respond(message, 0xFE00)
            acceptor.release()
        else:
            program.popen.send_signal(signal.SIGINT)
            hang(acceptor)


@pytest.mark.parametrize("name", ["find", "get", "move"])
def test_ctrl_c_sends_cancel(name: str, tmp_path) -> None:
    rest = {"get": ("-o", tmp_path), "move": ("--dest", "X")}.get(name, ())
    script = Interrupting(obey=True)
    status, text = interrupted(name, script, "-k", "PatientID=1", *rest)
    assert script.cancelled
    assert status == 130
    assert "Terminated by C-CANCEL (status 0xFE00)" in text


@pytest.mark.parametrize("name", ["find", "get", "move"])
def test_second_ctrl_c_does_not_wait(name: str, tmp_path) -> None:
    rest = {"get": ("-o", tmp_path), "move": ("--dest", "X")}.get(name, ())
    status, _ = interrupted(name, Interrupting(obey=False), "-k", "PatientID=1", *rest)
    assert status == 130


@pytest.mark.parametrize("as_json", [True, False])
def test_ctrl_c_of_store_has_a_true_summary(tmp_path, as_json: bool) -> None:
    class Script:
        def __init__(self) -> None:
            self.ready: list[Program] = []

        def __call__(self, acceptor: Acceptor) -> None:
            acceptor.accept()
            acceptor.respond(acceptor.message(), 0)
            acceptor.message()
            self.ready[0].popen.send_signal(signal.SIGINT)
            hang(acceptor)

    folder = instances.write_folder(tmp_path, instances.many(5))
    status, text = interrupted("store", Script(), folder, *(["--json"] if as_json else []))
    assert status == 130
    if not as_json:
        *lines, last = text.splitlines()
        assert last.startswith("1 file stored, 1 failed, 3 not sent; ")
        assert not [line for line in lines if line.startswith("not sent")]
        return
    summary = peers.summary(text)
    assert (summary["stored"], summary["failed"], summary["not_sent"]) == (1, 1, 3)
    assert len(peers.events(text, "file")) == 5


def test_get_keeps_what_came_whole(tmp_path) -> None:
    """The peer dies in the second of three instances: the first is a file, nothing else is."""
    made = instances.many(2)

    def script(acceptor: Acceptor) -> None:
        acceptor.accept(wire.role(wire.CT, 0, 1))
        acceptor.message()
        (context_id,) = [
            id_
            for id_, uid, syntaxes in acceptor.proposed
            if uid == wire.CT and syntaxes[0] == EXPLICIT_VR_LITTLE_ENDIAN
        ]
        acceptor.peer.send(
            wire.message(context_id, wire.store_rq(made[0].uid, 1), made[0].data_set)
        )
        assert acceptor.message().command[0x0900] == wire.us(0)
        whole = wire.message(context_id, wire.store_rq(made[1].uid, 2), made[1].data_set)
        acceptor.peer.send(whole[:-100])

    out = tmp_path / "out"
    options = "-k", "PatientID=1", "-o", out, "--json"
    with scripted(script) as address:
        program = run_cli("get", *address, *options)
    assert program.popen.returncode == 1
    assert [path.name for path in out.iterdir()] == [f"{made[0].uid}.dcm"]
    assert "in the middle of a message" in program.err.text
    assert len(peers.events(program.out.text, "file")) == 1


def test_echo_counts_failures() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.respond(acceptor.message(), 0)
        acceptor.respond(acceptor.message(), 0x0122)
        acceptor.release()

    with scripted(script) as address:
        program = run_cli("echo", *address, "--repeat", 2, "--json")
    assert program.popen.returncode == 1
    assert [one["status"] for one in peers.events(program.out.text, "echo")] == [0, 0x0122]
    assert peers.summary(program.out.text)["successes"] == 1


def test_max_pdu_is_announced() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        assert dict(acceptor.user)[0x51] == (12345).to_bytes(4, "big")
        acceptor.respond(acceptor.message(), 0)
        acceptor.release()

    with scripted(script) as address:
        assert run_cli("echo", *address, "--max-pdu", 12345).popen.returncode == 0


def test_worklist_is_a_model_of_find() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        assert acceptor.proposed[0][1] == KEYWORDS["ModalityWorklistInformationModelFind"]
        acceptor.respond(acceptor.message(), 0)
        acceptor.release()

    with scripted(script) as address:
        program = run_cli("find", *address, "--root", "worklist")
    assert program.popen.returncode == 0


def terminal(*arguments: object, width: int = 160) -> tuple[int, str]:
    """Run a command with a terminal for its outputs; the exit status, and what it showed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    shown = b""
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment | {"TERM": "xterm"},
    )
    os.close(theirs)
    try:
        with contextlib.suppress(OSError):  # the end of a terminal is an error
            while piece := os.read(ours, 65536):
                shown += piece
    finally:
        os.close(ours)
        status = process.wait(WALL)
    return status, shown.decode()


def test_store_on_a_terminal_shows_a_bar_and_only_what_needs_attention(tmp_path) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        acceptor.respond(acceptor.message(), 0)
        acceptor.respond(acceptor.message(), 0xA700)
        acceptor.release()

    folder = instances.write_folder(tmp_path, instances.many(2))
    with scripted(script) as address:
        status, shown = terminal("store", *address, folder)
    assert status == 1
    assert "of 2 files" in shown
    assert "image0001.dcm: failure: Refused: out of resources" in shown
    assert "image0000.dcm" not in shown
    assert "1 file stored, 1 refused" in shown


def test_find_on_a_terminal_shows_a_table() -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        acceptor.respond(message, 0xFF00, explicit_patient_id())
        acceptor.respond(message, 0)
        acceptor.release()

    with scripted(script) as address:
        status, shown = terminal("find", *address)
    assert status == 0
    assert "PatientID" in shown
    assert "│" in shown
    assert "P\\x1b1" in shown


def test_reader_that_goes_away_is_no_traceback() -> None:
    """As in `dicom-gateway find ... | head -1`."""

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        message = acceptor.message()
        with contextlib.suppress(OSError):  # the command leaves with its reader
            for _ in range(5000):
                acceptor.respond(message, 0xFF00, explicit_patient_id())
            acceptor.respond(message, 0)
            acceptor.peer.recv_all()

    with scripted(script) as address:
        words = " ".join(map(str, (COMMAND, "find", *address, "--json")))
        program = Program("sh", "-c", f"{words} | head -n 1")
        assert program.wait() == 0
    assert program.err.text == ""
    assert len(program.out.lines) == 1


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 300, "a..b"])
def test_host_that_is_none(host: str) -> None:
    program = run_cli("echo", host, 1)
    assert program.popen.returncode == 1
    assert f"no connection to {host}:1" in program.err.text
    assert "Traceback" not in program.err.text


LONG_UID = "1.2.826.0.1." + "9" * 52


def _long_match(acceptor: Acceptor) -> None:
    acceptor.accept()
    message = acceptor.message()
    uid = wire.element(0x000D, LONG_UID.encode(), group=0x0020)
    acceptor.respond(message, 0xFF00, explicit_patient_id() + _explicit(uid, b"UI"))
    acceptor.respond(message, 0)
    acceptor.release()


def _explicit(element: bytes, vr: bytes) -> bytes:
    """The element of an implicit VR data set in explicit VR."""
    return element[:4] + vr + element[4:6] + element[8:]


@pytest.mark.parametrize("width", [40, 160])
def test_find_never_cuts_a_uid(width: int) -> None:
    with scripted(_long_match) as address:
        status, shown = terminal("find", *address, width=width)
    assert status == 0
    assert LONG_UID in shown
    assert ("│" in shown) == (width == 160)


def test_find_shows_chosen_columns_and_csv() -> None:
    with scripted(_long_match) as address:
        program = run_cli("find", *address, "--columns", "StudyInstanceUID,PatientID", "--csv")
    assert program.out.lines[:2] == ["StudyInstanceUID,PatientID", f"{LONG_UID},P\\x1b1"]


def test_a_column_that_does_not_exist() -> None:
    program = run_cli("find", "127.0.0.1", 1, "--columns", "PatientNam")
    assert program.popen.returncode == 2
    assert "did you mean PatientName" in program.err.text


def test_the_destination_of_a_move_is_named_once() -> None:
    for wrong in ([], ["A", "--dest", "B"]):
        program = run_cli("move", "127.0.0.1", 1, *wrong, "-k", "PatientID=1")
        assert program.popen.returncode == 2
        assert "name the destination once" in program.err.text

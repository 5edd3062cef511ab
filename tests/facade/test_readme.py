"""The facade's README: its samples run together, and its table of modules is complete."""

import re
import socket
from pathlib import Path

import gateway.facade
from tests.documents import samples
from tests.interop.both import HOST, instance

FOLDER = Path(gateway.facade.__file__).parent
README = FOLDER / "README.md"


def test_the_server_and_the_client_of_the_samples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    instance(1, PatientID="Somebody").save_as("ct.dcm", enforce_file_format=True)
    server, client = (sample.code for sample in samples(README, "python"))
    begun, shutdown = server.rstrip().rsplit("\n", 1)
    assert shutdown == "server.shutdown()"
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
    program = "\n".join((begun, client, shutdown)).replace("11112", port)
    exec(compile(program, str(README), "exec"), {})
    assert capsys.readouterr().out.split() == ["Somebody", "0"]


def test_every_module_is_listed():
    table = README.read_text().partition("## The modules")[2]
    listed = {name for row in re.findall(r"^\|([^|]*)\|", table, re.M) for name in row.split("`")}
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} <= listed

"""pynetdicom's applications, as they are shipped, against servers of the facade."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.data_sets import data_set
from tests.interop.both import CT, ECHO, FIND, GET, MOVE, WAIT, Pair, Told, instance, pair_of


@pytest.fixture
def pair():
    with pair_of("gateway", "gateway") as made:
        yield made


def run(app, server, *options, cwd):
    """The application's output; it must succeed."""
    command = [sys.executable, "-m", "pynetdicom", app, "127.0.0.1"]
    done = subprocess.run(
        [*command, str(server.server_address[1]), *options],
        capture_output=True,
        text=True,
        timeout=WAIT * 2,
        cwd=cwd,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def test_echoscu(pair: Pair, tmp_path):
    told = Told()
    server = pair.serve([ECHO], [("EVT_C_ECHO", lambda event: told.put(event.name) or 0x0000)])
    assert "Success" in run("echoscu", server, "-v", cwd=tmp_path)
    assert told.next() == "EVT_C_ECHO"


def test_storescu(pair: Pair, tmp_path):
    told = Told()

    def store(event):
        told.put(str(event.dataset.PatientID))
        return 0x0000

    for number in range(3):
        instance(number).save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    server = pair.serve([CT], [("EVT_C_STORE", store)])
    output = run("storescu", server, str(tmp_path), "-r", "-v", "-cx", cwd=tmp_path)
    assert output.count("Status: 0x0000") + output.count("Success") >= 3
    assert sorted(told.take(3)) == ["P0", "P1", "P2"]


def test_findscu(pair: Pair, tmp_path):
    asked = Told()

    def find(event):
        asked.put(str(event.identifier.PatientName))
        yield 0xFF00, data_set(PatientName="Found^One", QueryRetrieveLevel="PATIENT")
        yield 0xFF00, data_set(PatientName="Found^Two", QueryRetrieveLevel="PATIENT")

    server = pair.serve([FIND], [("EVT_C_FIND", find)])
    keys = ["-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientName=F*"]
    output = run("findscu", server, "-P", *keys, "-v", cwd=tmp_path)
    assert asked.next() == "F*"
    assert "Found^One" in output
    assert "Found^Two" in output


def test_getscu(pair: Pair, tmp_path):
    def get(event):
        yield 2
        yield 0xFF00, instance(1)
        yield 0xFF00, instance(2)

    contexts = [GET, (CT, None, False, True)]
    server = pair.serve(contexts, [("EVT_C_GET", get)])
    keys = ["-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=1"]
    run("getscu", server, "-P", *keys, "-v", cwd=tmp_path)
    received = [path.name for path in tmp_path.iterdir()]
    assert sorted(name.partition(".")[2] for name in received) == [
        "1.2.826.0.1.99.1",
        "1.2.826.0.1.99.2",
    ]


def test_movescu(pair: Pair, tmp_path):
    told = Told()

    def store(event):
        told.put(str(event.dataset.PatientID))
        return 0x0000

    destination = pair.serve([CT], [("EVT_C_STORE", store)], ae_title="DEST")

    def move(event):
        yield "127.0.0.1", destination.server_address[1]
        yield 1
        yield 0xFF00, instance(1)

    server = pair.serve([MOVE], [("EVT_C_MOVE", move)])
    keys = ["-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=1"]
    output = run("movescu", server, "-P", *keys, "-aem", "DEST", "-v", cwd=tmp_path)
    assert told.next() == "P1"
    assert "Success" in output

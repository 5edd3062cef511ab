"""Gateways that keep their instances in SeaweedFS: given back by any host, and by the commands."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread

from tests.archive.test_shared import found, get
from tests.conftest import PEERS_REQUIRED
from tests.peers import instances, procfs
from tests.peers.object_server import BUCKET, ObjectServer, object_server, program
from tests.peers.process import run_cli
from tests.peers.scp import pynetdicom_storescp
from tests.peers.sender import store_all
from workers.archive.objects.object_store import SINGLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.process import Gateway


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    if not program():
        reason = "SeaweedFS is not installed"
        if PEERS_REQUIRED:
            pytest.fail(f"{reason}, and DICOM_GATEWAY_REQUIRE_PEERS=1", pytrace=False)
        pytest.skip(reason)
    with object_server() as made:
        yield made


def titled(name: str) -> str:
    return f'[gateway]\nae_title = "{name}"\n'


def archive(gateway: Gateway, command: str, *words: object) -> tuple[int, list[dict]]:
    options = "--data", gateway.data, "--config", gateway.folder / "gateway.toml", "--json"
    done = run_cli("archive", command, *words, *options)
    assert done.popen.returncode in (0, 1), done.report()
    return done.popen.returncode, [json.loads(line) for line in done.out.lines]


def test_any_host_gives_back_any_object(server, postgres_schema, start_gateway, tmp_path) -> None:
    (tmp_path / "sink").mkdir()
    with pynetdicom_storescp(tmp_path / "sink") as sink:
        shared = (
            f'[destinations]\nSINK = "{sink[0]}:{sink[1]}"\n[archive]\ndsn = "{postgres_schema}"\n'
            + server.settings("hosts")
        )
        one, two = (start_gateway(titled(name) + shared) for name in ("ONE", "TWO"))
        short, long = instances.make(), instances.make(size=SINGLE + 100_000)
        assert store_all(one.address, [short, long]).failed == {}
        other = instances.make()
        assert store_all(two.address, [other]).failed == {}
        assert not list(one.archive.rglob("*.dcm"))
        assert store_all(two.address, [short]).failed == {}  # the same again is one copy
        assert one.stop() == 0  # the holder of two of them is down
        for instance in (short, long, other):
            assert found(two, instance) == "ANY-SCP"
            status, (got,), _ = get(two, instance)
            assert (status, got) == (0x0000, dcmread(BytesIO(instance.part10())))
        keys = "-k", f"StudyInstanceUID={instances.STUDY}"
        moved = run_cli("move", *two.address, "SINK", *keys)
        assert moved.popen.returncode == 0, moved.report()
        came = {path.stem: path.read_bytes() for path in (tmp_path / "sink").glob("*.dcm")}
        assert set(came) == {short.uid, long.uid, other.uid}
        assert long.data_set in came[long.uid]
    status, lines = archive(two, "verify")
    assert (status, lines[-1]["checked"]) == (0, 1)


def test_the_commands(server, start_gateway, tmp_path) -> None:
    gateway = start_gateway(titled("ALONE") + "[archive]\n" + server.settings("commands"))
    first, second = instances.make(), instances.make()
    assert store_all(gateway.address, [first, second]).failed == {}
    _, (line, *_) = archive(gateway, "path", first.uid)
    assert line["path"].startswith(f"s3://{BUCKET}/commands/ALONE/2")
    assert archive(gateway, "verify")[1][-1] == {
        "event": "summary",
        "checked": 2,
        "problems": 0,
        "size": sum(len(one.data_set) for one in (first, second)),
    }
    assert archive(gateway, "export", first.uid, "--to", tmp_path / "out")[0] == 0
    (exported,) = (tmp_path / "out").rglob("*.dcm")
    assert first.data_set in exported.read_bytes()
    assert archive(gateway, "move", "--to", "directory", first.uid)[1][-1]["moved"] == 1
    (path,) = gateway.archive.rglob("*.dcm")
    assert first.data_set in path.read_bytes()
    status, (got,), _ = get(gateway, first)
    assert (status, got.SOPInstanceUID) == (0x0000, first.uid)
    summary = archive(gateway, "move", "--to", "store", "--all")[1][-1]
    assert (summary["moved"], summary["there"], summary["failed"]) == (1, 1, 0)
    assert not list(gateway.archive.rglob("*.dcm"))
    assert archive(gateway, "rm", second.uid)[1][-1]["removed"] == 1
    assert gateway.stop() == 0
    (gateway.archive / "index.sqlite").unlink()
    refused = run_cli(
        *("archive", "ls", "--data", gateway.data, "--config", gateway.folder / "gateway.toml")
    )
    assert "reindex" in refused.err.text
    assert archive(gateway, "reindex")[1][-1]["indexed"] == 1
    assert archive(gateway, "verify")[1][-1]["checked"] == 1


def test_what_waited_for_the_store_is_put_there(start_gateway, server) -> None:
    config = '[archive]\nstage = "spool"\n' + server.settings("waiting")
    gateway = start_gateway(titled("STAGE") + config)
    one, two = instances.make(), instances.make(size=200_000)
    server.pause()
    try:
        assert store_all(gateway.address, [one, two]).failed == {}
        assert len(list(gateway.archive.rglob("*.dcm"))) == 2
    finally:
        server.resume()
    status, (got,), _ = get(gateway, one)
    assert (status, got.SOPInstanceUID) == (0x0000, one.uid)
    procfs.until(lambda: not list(gateway.archive.rglob("*.dcm")), what="an empty directory")
    assert archive(gateway, "verify")[1][-1]["checked"] == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (('store = "s3://images', 'store = "s3://no-such-bucket'), "there is no bucket"),
        (("gateway-secret", "another"), "does not accept the key gateway"),
        (("AWS_ACCESS_KEY_ID=gateway", "AWS_ACCESS_KEY_ID=reader"), "the key reader may not write"),
    ],
)
def test_refused_at_the_start_in_one_sentence(server, tmp_path, change, text) -> None:
    key = tmp_path / "key"
    key.write_text("AWS_ACCESS_KEY_ID=gateway\nAWS_SECRET_ACCESS_KEY=gateway-secret\n")
    config = tmp_path / "gateway.toml"
    config.write_text("[archive]\n" + server.settings("refused", key))
    for file in (key, config):
        file.write_text(file.read_text().replace(*change))
    done = run_cli("serve", "--port", "0", "--data", tmp_path / "data", "--config", config)
    assert done.popen.returncode == 2, done.report()
    (told,) = (line for line in done.err.lines if line.startswith("dicom-gateway: "))
    assert re.match(r"dicom-gateway: \S+-0: archive\.store: ", told)
    assert text in told


def test_another_store_is_refused_and_none_is_fetched(
    server, postgres_schema, start_gateway, tmp_path
) -> None:
    index = f'[archive]\ndsn = "{postgres_schema}"\n'
    one = start_gateway(titled("ONE") + index + server.settings("one-place"))
    config = tmp_path / "gateway.toml"
    config.write_text(titled("TWO") + index + server.settings("another"))
    options = "--port", "0", "--data", tmp_path / "data", "--config", config
    refused = run_cli("serve", *options)
    assert refused.popen.returncode == 2, refused.report()
    (told,) = (line for line in refused.err.lines if line.startswith("dicom-gateway: "))
    assert "s3://images/one-place" in told
    assert "set the store of the index" in told
    instance = instances.make()
    assert store_all(one.address, [instance]).failed == {}
    three = start_gateway(titled("THREE") + index)  # with its own files
    status, (got,), _ = get(three, instance)
    assert (status, got) == (0x0000, dcmread(BytesIO(instance.part10())))

"""Store and forward by a whole gateway, to gateways of others and to one of its own kind."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pynetdicom import AE, evt

from tests.conftest import short_folder
from tests.peers import instances, procfs, wire
from tests.peers.process import COMMAND, Gateway, Program
from tests.peers.scp import dcmtk_storescp, free_port
from tests.peers.sender import store_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.raw import Address

QUICK = "[forward]\nfirst_pause = 0.2\nlongest_pause = 0.5\n"


def routes(*lines: str, **places: str) -> str:
    """A configuration with these destinations, and one route to the first of them."""
    destinations = "".join(f'{name} = "{place}"\n' for name, place in places.items())
    more = "\n".join(lines)
    names = json.dumps(list(places))
    return f"{QUICK}[destinations]\n{destinations}\n[[routes]]\ndestinations = {names}\n{more}\n"


def at(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


@contextmanager
def running(config: str, data_of: Gateway | None = None) -> Iterator[Gateway]:
    with short_folder() as folder:
        options = () if data_of is None else ("--data", str(data_of.data))
        gateway = Gateway(folder, config=config, options=options)
        try:
            yield gateway
            assert gateway.stop() == 0, gateway.program.report()
        finally:
            gateway.close()


def command(gateway: Gateway, *words: str) -> str:
    """The output of a command on the data of a gateway."""
    config = gateway.folder / "gateway.toml"
    program = Program(COMMAND, *words, "--data", gateway.data, "--config", config)
    assert program.wait() == 0, program.report()
    return program.out.text


def arrived(folder: Path, count: int) -> list[Path]:
    """Wait until so many files have come; return them."""
    procfs.until(lambda: len(list(folder.iterdir())) >= count, what=f"{count} files in {folder}")
    return sorted(folder.iterdir())


def store(gateway: Gateway, sent: list[instances.Instance], calling: str = "RAWPEER") -> None:
    outcome = store_all(gateway.address, sent, calling=calling)
    assert not outcome.failed
    assert len(outcome.statuses) == len(sent)


def wait_empty(gateway: Gateway) -> None:
    procfs.until(
        lambda: command(gateway, "outbox", "ls") == "the outbox is empty", what="an empty outbox"
    )


@pytest.mark.peer("dcmtk")
def test_what_is_stored_goes_on_to_dcmtk_byte_for_byte(tmp_path: Path) -> None:
    sent = instances.many(20)
    with dcmtk_storescp(tmp_path) as address, running(routes(PACS=at(address))) as gateway:
        store(gateway, sent)
        files = arrived(tmp_path, len(sent))
        wait_empty(gateway)
        whole = [file.read_bytes() for file in files]
        assert all(any(data.endswith(one.data_set) for data in whole) for one in sent)


def test_a_destination_that_was_down_gets_everything_when_it_returns(tmp_path: Path) -> None:
    sent, port = instances.many(30), free_port()
    with running(routes(PACS=f"127.0.0.1:{port}")) as gateway:
        store(gateway, sent)
        listed = command(gateway, "outbox", "ls", "--rows", "--json").splitlines()
        assert {json.loads(line)["instance"] for line in listed} == {one.uid for one in sent}
        status = procfs.until(lambda: told(gateway, "Connect"), what="a status that names it")
        assert "PACS" in status
        with stopped_scp(tmp_path, port):
            assert {file.stem for file in arrived(tmp_path, len(sent))} == {s.uid for s in sent}
            wait_empty(gateway)


def told(gateway: Gateway, word: str) -> str:
    program = Program(COMMAND, "status", "--data", gateway.data)
    program.wait()
    return program.out.text if word.lower() in program.out.text.lower() else ""


@contextmanager
def stopped_scp(folder: Path, port: int) -> Iterator[None]:
    ae = AE(ae_title="STRANGER")
    ae.add_supported_context(wire.CT, [wire.IMPLICIT, wire.EXPLICIT])

    def take(event) -> int:
        (folder / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(b"")
        return 0x0000

    server = ae.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, take)]
    )
    try:
        yield
    finally:
        server.shutdown()

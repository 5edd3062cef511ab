"""A whole gateway whose route de-identifies: the copy that is sent, and not what is kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydicom import dcmread

from gateway.datasets.coding import decode
from tests.peers import instances, procfs, wire
from tests.peers.destination import Destination
from tests.system.test_forward import command, routes, rows_of, running, store, wait_empty

if TYPE_CHECKING:
    from pathlib import Path


def deidentifying(tmp_path: Path, pacs: Destination, *, is_started: bool = True) -> str:
    key = tmp_path / "key"
    with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write("0123456789abcdef" * 4)
    worker = f'[workers.deidentify.options]\nkey_file = "{key}"\n' if is_started else ""
    return routes('transform = ["deidentify"]', PACS=pacs.place) + worker


def test_a_route_sends_what_is_de_identified_and_the_archive_keeps_the_rest(
    tmp_path: Path,
) -> None:
    pacs = Destination(sop_classes=(wire.CT,))
    small, large = instances.make(), instances.make(size=200_000)  # as data, and as a file
    with pacs.running(), running(deidentifying(tmp_path, pacs)) as gateway:
        store(gateway, [small, large])
        sent = pacs.wait_for(2)
        wait_empty(gateway)
        assert all(uid.startswith("2.25.") for uid in sent)
        for uid in sent:
            made = decode(pacs.data_sets[uid], wire.EXPLICIT)
            assert made.PatientIdentityRemoved == "YES"
            assert made.SOPInstanceUID == uid
            assert len(made.PatientID) == 16
        for one in (small, large):
            path = command(gateway, "archive", "path", one.uid)
            assert dcmread(path).SOPInstanceUID == one.uid
        assert not list(gateway.data.glob("transformed-to-forward/*/*"))
        told = command(gateway, "route", "try", small.uid)
        assert "transformed by deidentify" in told


def test_nothing_is_sent_as_it_is_while_the_worker_is_missing(tmp_path: Path) -> None:
    pacs, one = Destination(sop_classes=(wire.CT,)), instances.make()
    config = deidentifying(tmp_path, pacs, is_started=False).replace(
        "[forward]\n", "[forward]\nattempts = 2\n"
    )
    with pacs.running(), running(config) as gateway:
        store(gateway, [one])
        (row,) = procfs.until(
            lambda: rows_of(gateway, "--state", "parked"), what="a row that is parked"
        )
        assert "transform by worker deidentify" in row["reason"]
        assert row["transform"] == ["deidentify"]
        assert not pacs.got


def test_what_is_kept_is_de_identified(tmp_path: Path) -> None:
    pacs, one = Destination(), instances.make()
    config = deidentifying(tmp_path, pacs).partition("[[routes]]")[0]
    worker = deidentifying(tmp_path, pacs).partition("[workers")[2]
    config += f'[archive]\ntransform = ["deidentify"]\n[workers{worker}'
    with running(config) as gateway:
        store(gateway, [one])
        (path,) = (gateway.data / "archive").rglob("*.dcm")
        kept = dcmread(path)
        assert kept.PatientIdentityRemoved == "YES"
        assert kept.SOPInstanceUID.startswith("2.25.")
        assert one.uid.encode() not in path.read_bytes()
        assert "SourceApplicationEntityTitle" not in kept.file_meta
        store(gateway, [one])  # the same again is success, and one copy
        assert len(list((gateway.data / "archive").rglob("*.dcm"))) == 1

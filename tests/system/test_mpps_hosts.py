"""Two gateways with one index: a step begun at one, ended at the other, passed on, and its study.

The modality sends half of its images to each of them, as behind a balancer.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import pynetdicom
import pytest
from pydicom import dcmread

from tests.archive.conftest import postgres_dsn as postgres_dsn
from tests.archive.conftest import postgres_schema as postgres_schema
from tests.peers import instances, procfs
from tests.peers.process import run_cli
from tests.peers.sender import store_all
from tests.workers.complete.test_webhook import SECRET, Server
from tests.workers.mpps.ris import Ris
from tests.workers.mpps.steps import creation, end, series
from workers.archive.index.postgres import PostgresIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

MPPS, RETRIEVE = "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.3.1.2.3.4"
UID = "1.2.3.99"
CONFIG = """
[archive]
dsn = "{dsn}"
[workers.mpps]
options = {{send_to = ["RIS"]}}
[workers.complete.options]
quiet = 86400.0
webhooks = [{{url = "{url}", secret_file = "{secret}"}}]
[destinations]
RIS = "{ris}"
"""


@contextmanager
def modality(gateway) -> Iterator[pynetdicom.association.Association]:
    ae = pynetdicom.AE("CT1")
    for sop_class in (MPPS, RETRIEVE):
        ae.add_requested_context(sop_class)
    assoc = ae.associate(*gateway.address)
    assert len(assoc.accepted_contexts) == 2
    try:
        yield assoc
    finally:
        assoc.release()


@pytest.fixture
def hook():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def ris():
    with Ris().running() as one:
        yield one


def test_a_step_over_two_hosts(postgres_schema, start_gateway, tmp_path, hook, ris):
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    config = CONFIG.format(dsn=postgres_schema, url=hook.url, secret=secret, ris=ris.place)
    one, two = (start_gateway(config, "--ae-title", title) for title in ("ONE", "TWO"))
    images = instances.many(4)
    study = str(dcmread(BytesIO(images[0].part10())).StudyInstanceUID)

    with modality(one) as assoc:
        assert assoc.send_n_create(creation(study), MPPS, UID)[0].Status == 0x0000
    store_all(one.address, images[:2])
    store_all(two.address, images[2:])
    made = series("1.2.3.1", *(image.uid for image in images))
    with modality(two) as assoc:
        assert assoc.send_n_create(creation(study), MPPS, UID)[0].Status == 0x0111
        assert assoc.send_n_set(end("COMPLETED", made), MPPS, UID)[0].Status == 0x0000
    for gateway in (one, two):
        with modality(gateway) as assoc:
            status, found = assoc.send_n_get([0x00100020, 0x00400252], RETRIEVE, UID)
            assert (status.Status, found.PerformedProcedureStepStatus) == (0x0000, "COMPLETED")

    (told, *_) = hook.wait_for(1)
    assert (told["study_instance_uid"], told["reason"], told["instances"]) == (study, "mpps", 4)
    with PostgresIndex(postgres_schema) as index:
        kinds = [line.kind for line in index.journal() if line.kind != "stored"]
    assert kinds == ["step_in_progress", "step_completed", "complete"]
    assert len(hook.got) == 1, "by one of the two"

    assert ris.wait_for(2) == [("N-CREATE", UID), ("N-SET", UID)]
    where = ("--config", str(two.folder / "gateway.toml"), "--data", two.data)

    def sent() -> list[tuple[str, str]]:
        listed = run_cli("mpps", "outbox", "--json", "--state", "sent", *where)
        return [(one["operation"], one["state"]) for one in map(json.loads, listed.out.lines)]

    procfs.until(lambda: len(sent()) == 2, what="both messages to be sent")
    assert sent() == [("N-CREATE", "sent"), ("N-SET", "sent")]
    assert len(ris.got) == 2, "once each"

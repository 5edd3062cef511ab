"""The handler, called as the SDK calls it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from gateway.errors import ConfigError
from gateway.sdk import Context, evt
from gateway.sdk.event import Event
from tests.workers.conftest import Offer, offer, stored
from workers.storage import storage, worker

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def data_dir(tmp_path: Path):
    worker.context = Context(data_dir=tmp_path, durable=True)
    storage.start()
    yield tmp_path
    storage.stop()


def ask(offered: Offer, attempt: int = 1) -> tuple[object, list[tuple[str, dict]]]:
    told: list[tuple[str, dict]] = []
    payload = {
        "request": {"AffectedSOPClassUID": CT, "AffectedSOPInstanceUID": "1.2.3", "MessageID": 1},
        "context": [1, CT, EXPLICIT],
        "message_id": 1,
        "claim": offered.claim.to_map(),
    }
    event = Event(
        evt.EVT_C_STORE,
        payload,
        data=offered.data,
        attempt=attempt,
        publish=lambda topic, body: told.append((topic, body)),
    )
    function = worker.bound("EVT_C_STORE")[0].function
    return function(event), told


def test_it_may_be_asked_again_and_wants_data_on_disk():
    (bound,) = worker.bound("EVT_C_STORE")
    assert bound.redeliver
    assert bound.durable


def test_success_is_told_to_watchers_with_all_that_the_catalogue_names(data_dir, offered):
    status, told = ask(offered)
    assert status == 0x0000
    ((topic, body),) = told
    assert topic == "EVT_INSTANCE_STORED"
    assert set(body) == set(evt.EVT_INSTANCE_STORED.attributes)
    assert Path(body["path"]).read_bytes() == offered.whole
    assert (body["sop_class_uid"], body["sop_instance_uid"]) == (CT, "1.2.3")
    assert body["transfer_syntax_uid"] == EXPLICIT
    assert (body["size"], body["sha256"]) == (5000, offered.claim.sha256.hex())
    assert Path(body["path"]).is_relative_to(data_dir / "archive")


def test_a_redelivery_is_success_and_one_copy(data_dir, offered):
    assert ask(offered, 1)[0] == ask(offered, 2)[0] == 0x0000
    assert len(stored(data_dir)) == 1


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_claim_whose_file_is_gone_is_a700(data_dir, attempt):
    offered = offer(data_dir / "spool/ready")
    os.unlink(offered.claim.path)
    answer, told = ask(offered, attempt)
    assert isinstance(answer, Dataset)
    assert answer.Status == 0xA700
    assert answer.ErrorComment == "Out of resources: No such file or directory"
    assert not told


def test_inline_data_that_is_not_what_was_claimed_is_a700(data_dir):
    good = offer(None)
    answer, told = ask(good._replace(data=good.data[:-1]))
    assert answer.Status == 0xA700
    assert len(answer.ErrorComment) <= 64
    assert not told
    assert not stored(data_dir)


def test_a_place_that_cannot_be_written_to_is_refused_at_the_start(tmp_path):
    (tmp_path / "archive").write_text("in the way")
    worker.context = Context(data_dir=tmp_path)
    with pytest.raises(ConfigError):
        storage.start()


def test_written_is_named_so_in_the_log(tmp_path, caplog):
    worker.context = Context(data_dir=tmp_path, durable=False)
    storage.start()
    storage.stop()
    assert "durability=written" in caplog.text


def test_before_the_start_there_is_no_archive():
    with pytest.raises(RuntimeError, match="not started"):
        _ = storage.archive

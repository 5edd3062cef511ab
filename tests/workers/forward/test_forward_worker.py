"""The start of the worker: a failure leaves nothing open, and it can be started again."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from gateway.sdk import ConfigError, Unavailable, WorkerContext
from gateway.sdk.move.routes import Routes
from workers.forward import forward_worker
from workers.forward.forward_outbox import ForwardOutbox

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def forwarding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> forward_worker.ForwardWorker:
    context = WorkerContext(tmp_path, routes=Routes())
    monkeypatch.setattr(forward_worker.worker, "_context", context)
    return forward_worker.ForwardWorker(forward_worker.worker)


def threads() -> set[str]:
    return {one.name for one in threading.enumerate()}


def test_a_start_that_fails_leaves_nothing_and_can_be_repeated(
    forwarding: forward_worker.ForwardWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> int:
        raise Unavailable("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(ForwardOutbox, "release", away)
        with pytest.raises(Unavailable):
            forwarding.open()
    with pytest.raises(RuntimeError, match="not started"):
        _ = forwarding.index
    forwarding.open()
    assert {"journal", "destinations", "confirmation", "outbox"} <= threads()
    folder = forward_worker.worker.context.data_dir / "transformed-to-forward"
    assert [one.name for one in folder.iterdir()] == [str(os.getpid())]
    forwarding.close()
    assert not list(folder.iterdir())
    assert not {"journal", "destinations", "confirmation", "outbox"} & threads()


def test_wrong_options_are_refused(forwarding: forward_worker.ForwardWorker) -> None:
    forward_worker.worker.context.options["forward"] = {"routes": [{"when": "Rows"}]}
    with pytest.raises(ConfigError, match=r"routes\[1\]\.when = 'Rows'"):
        forwarding.open()
    forward_worker.worker.context.options["forward"] = {"nonsense": 1}
    with pytest.raises(ConfigError, match="forward: ForwardSettings has no setting nonsense"):
        forwarding.open()

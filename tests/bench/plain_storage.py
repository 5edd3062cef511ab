"""A storage worker without an index, to compare with: `tests.bench.plain_storage:worker`."""

from __future__ import annotations

from gateway import Worker, evt
from workers.archive import Archive

worker = Worker("plain", concurrency=16)


@worker.on_start
def start() -> None:
    global archive
    archive = Archive(worker.context.data_dir / "archive", worker.context.durable)


@worker.on(evt.EVT_C_STORE, redeliver=True, durable=True)
def store(event) -> int:
    archive.keep(event.claim, event.claim_data, event.attempt)
    return 0x0000

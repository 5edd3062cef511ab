"""A storage worker without an index, to compare with: `tests.bench.plain_storage:worker`."""

from __future__ import annotations

from gateway import Worker, evt
from workers.archive import Archive
from workers.archive.batch_writer import Offer

BATCH = 64

worker = Worker("plain", concurrency=BATCH)


@worker.on_start
def start() -> None:
    global archive
    archive = Archive(worker.context.data_dir / "archive", worker.context.durable)


@worker.on(evt.EVT_C_STORE, redeliver=True, durable=True, batch=BATCH)
def store(events) -> list[int | Exception]:
    kept = archive.keep([Offer(e.claim, e.claim_data, e.attempt) for e in events])
    return [name if isinstance(name, Exception) else 0x0000 for name in kept]

"""A storage worker that answers success before it stores: crash tests must detect it."""

HASTY = """
import os
import threading
from pathlib import Path

from gateway import Worker, evt

worker = Worker("hasty")


def keep(place, data):
    place.parent.mkdir(exist_ok=True)
    unfinished = place.with_suffix(".new")
    unfinished.write_bytes(data)
    os.rename(unfinished, place)


@worker.on(evt.EVT_C_STORE, redeliver=True, durable=True)
def store(event):
    place = worker.context.data_dir / "archive" / f"{event.claim.token}.dcm"
    threading.Timer(0.2, keep, (place, event.claim_data)).start()
    return 0x0000
"""

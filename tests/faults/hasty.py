"""A storage worker that says success before it has kept anything: what a crash test must notice."""

HASTY = """
import threading

from gateway import Worker, evt
from workers.storage import storage, worker as careful

worker = Worker("hasty")


def start():
    careful.context = worker.context
    storage.start()


@worker.on(evt.EVT_C_STORE, redeliver=True, durable=True)
def store(event):
    event.claim_data
    threading.Timer(0.2, storage.store, (event,)).start()
    return 0x0000


worker.on_start(start)
worker.on_stop(storage.stop)
"""

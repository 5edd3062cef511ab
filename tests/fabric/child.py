"""A worker process to be killed: `python -m tests.fabric.child RUN_DIR WORKER`.

It prints the attempt of each request it takes and answers none; it leaves when its standard input
closes.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from gateway.fabric import ReceivedIntervention, Registration
from gateway.fabric.worker import Client
from tests.fabric.world import ECHO, FAST, STORE


def main() -> None:
    ready = threading.Event()

    def taken(requests: list[ReceivedIntervention]) -> None:
        for request in requests:
            threading.Thread(target=tell, args=(request,)).start()

    def tell(request: ReceivedIntervention) -> None:
        ready.wait()
        print(request.event, request.attempt, flush=True)

    registration = Registration(sys.argv[2], 1, 0, 8, (STORE, ECHO))
    client = Client(Path(sys.argv[1]), registration, settings=FAST, on_requests=taken)
    client.start(10)
    print("ready", flush=True)
    ready.set()
    sys.stdin.read()
    client.stop()


if __name__ == "__main__":
    main()

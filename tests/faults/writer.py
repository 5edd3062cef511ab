"""Store instances in an archive and print a line for each: the program whose power is cut.

`python -m tests.faults.writer FOLDER COUNT`
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.workers.test_storage import Running, offer


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    ready = folder / "spool/ready"
    offers = [offer(None if n % 2 else ready, synced=False) for n in range(count)]
    os.path.exists("/begin")
    running = Running(folder)
    for one in offers:
        if running.ask(one) == 0x0000:
            os.write(1, f"{one.uid} {one.claim.digest.hex()}\n".encode())
    os.path.exists("/end")
    os._exit(0)


if __name__ == "__main__":
    main()

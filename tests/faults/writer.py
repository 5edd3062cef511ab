"""Store instances in an archive and print a line for each: the program whose power is cut.

`python -m tests.faults.writer FOLDER COUNT [KIND]`

Of the kind `each` they are stored one by one, every second one spooled. Of the kind `together` they
are small ones that one `syncfs` makes durable; `unsynced` does the same without the `syncfs`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.workers.test_storage import Running, offer, status_of
from workers.archive import batch_writer


def main() -> None:
    folder, count, kind = Path(sys.argv[1]), int(sys.argv[2]), [*sys.argv[3:], "each"][0]
    ready = folder / "spool/ready"
    offers = [offer(None if n % 2 or kind != "each" else ready, synced=False) for n in range(count)]
    if kind == "unsynced":
        batch_writer.sync_file_system = lambda _: None
    os.path.exists("/begin")
    running = Running(folder)
    if kind != "each" and not running.storage.archive._writer._can_sync_together:
        raise SystemExit(f"files are not synced together in {folder}")
    for batch in [[one] for one in offers] if kind == "each" else [offers]:
        for one, answer in zip(batch, running.answers(batch), strict=True):
            if status_of(answer) == 0x0000:
                os.write(1, f"{one.uid} {one.claim.digest.hex()}\n".encode())
    os.path.exists("/end")
    os._exit(0)


if __name__ == "__main__":
    main()

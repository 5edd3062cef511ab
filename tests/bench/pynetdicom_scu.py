"""pynetdicom as a storage SCU that speaks the lines of `sender.c`; run by `clients.pynetdicom`.

FILE PORT ASSOCIATIONS COUNT SECONDS LIMIT FIRST: the data set without Part 10 header, and the rest
as the sender has it.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import threading
import time

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pynetdicom import AE

from tests.peers import wire


class Lane:
    """One association and the instances that it sends."""

    def __init__(self, path: str, port: int, limit: float) -> None:
        ae = AE()
        ae.add_requested_context(wire.CT, wire.EXPLICIT)
        ae.dimse_timeout = limit
        self.assoc = ae.associate("127.0.0.1", port)
        self.data_set = dcmread(path, force=True)
        self.data_set.file_meta = FileMetaDataset()
        self.data_set.file_meta.TransferSyntaxUID = wire.EXPLICIT
        self.data_set.set_original_encoding(False, True)
        self._stem = str(self.data_set.SOPInstanceUID)[:-7]
        self.times: list[float] = []
        self.reason = "" if self.assoc.is_established else "an association was not accepted"

    def run(self, numbers: itertools.count, end: int, until: float) -> None:
        while not self.reason and time.monotonic() < until and (number := next(numbers)) < end:
            self.data_set.SOPInstanceUID = f"{self._stem}{number:07}"
            begun = time.monotonic()
            try:
                status = self.assoc.send_c_store(self.data_set)
            except (RuntimeError, ValueError) as error:
                self.reason = f"{type(error).__name__}: {error}"
                return
            if "Status" not in status:
                self.reason = "the association ended, or no answer came in time"
            elif status.Status != 0x0000:
                self.reason = f"status 0x{status.Status:04X}"
            else:
                self.times.append(time.monotonic() - begun)
            self._let_reactor_run()

    def _let_reactor_run(self) -> None:
        """Wait until pynetdicom's own thread noticed that the operation is over.

        If the next one began before, that thread could take its response from the queue and drop
        it. Reading the next file gives it that moment elsewhere; here nothing would.
        """
        while self.assoc._is_paused and self.assoc.is_established:
            time.sleep(0.0001)


def tell(**values: object) -> None:
    print(json.dumps(values), flush=True)


def main(path: str, port: str, *rest: str) -> None:
    associations, count, first = int(rest[0]), int(rest[1]), int(rest[4])
    seconds, limit = float(rest[2]), float(rest[3])
    lanes = [Lane(path, int(port), limit) for _ in range(associations)]
    if reason := next((lane.reason for lane in lanes if lane.reason), ""):
        tell(reason=reason)
        return
    tell(ready=associations)
    sys.stdin.readline()
    begun, cpu = time.monotonic(), time.process_time()
    numbers = itertools.count(first)
    threads = [
        threading.Thread(target=lane.run, args=(numbers, first + count, begun + seconds))
        for lane in lanes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    times = sorted(one for lane in lanes for one in lane.times) or [0.0]
    tell(
        acknowledged=sum(len(lane.times) for lane in lanes),
        seconds=took,
        cpu=time.process_time() - cpu,
        p50=statistics.median(times),
        p99=times[int(0.99 * (len(times) - 1))],
        longest=times[-1],
        reason=next((lane.reason for lane in lanes if lane.reason), ""),
    )
    sys.stdin.readline()
    for lane in lanes:
        lane.assoc.release()


if __name__ == "__main__":
    main(*sys.argv[1:])

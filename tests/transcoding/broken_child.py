"""A process that transcodes, with decoders that hang, die or eat memory for some instances."""

from __future__ import annotations

import os
import signal
import sys

from gateway.transcoding import transcoding_child, transcoding_job

HANGS, DIES, GROWS, RAISES = "1.2.1", "1.2.2", "1.2.3", "1.2.4"

_perform = transcoding_job.perform


def perform(job: transcoding_job.TranscodingJob) -> str:
    print("a decoder's own words", file=sys.stderr)
    match job.sop_instance_uid:
        case "1.2.1":
            signal.pause()
        case "1.2.2":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "1.2.3":
            pieces = []
            while True:
                pieces.append(bytearray(1 << 24))
        case "1.2.4":
            raise LookupError("Nobody^At=All")
    return _perform(job)


if __name__ == "__main__":
    transcoding_job.perform = perform
    transcoding_child.main()

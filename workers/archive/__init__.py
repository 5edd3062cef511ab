"""The archive that the stock workers share: the files of instances, and an index of them.

    DATA/archive/YYYYMMDD/BUCKET/TOKEN.dcm   an instance: complete, and durable once acknowledged
    DATA/archive/tmp/RUN/TOKEN.N.part        a file that attempt N of a running process writes

No name comes from a peer. A file gets its final name by a rename and is never written to after
that, so a file with such a name is complete.
"""

from workers.archive.archive import Archive

__all__ = ["Archive"]

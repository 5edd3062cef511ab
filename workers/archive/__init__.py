"""The archive that the stock workers share: where instances are, and how they come to be there.

    DATA/archive/YYYYMMDD/BUCKET/TOKEN.dcm   an instance, whole and, once acknowledged, durable
    DATA/archive/tmp/RUN/TOKEN.N.part        attempt N of a living process to write one

No name in it comes from a peer. A file gets its final name in one step and is never written to
after that, so whatever bears such a name is complete.
"""

from workers.archive.archive import Archive

__all__ = ["Archive"]

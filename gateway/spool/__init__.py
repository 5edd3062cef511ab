"""The spool: data sets are written to disk as they arrive, and workers get claims (claim check).

    incoming/N/TOKEN.part   acceptor N writes the fragments as they arrive
    ready/TOKEN             complete; a worker takes it by renaming it into its own directory
    quarantine/TOKEN.dcm    two workers died while they had it; nothing reads it again

Each is a Part 10 file whose data set is byte for byte what the peer sent. Data sets up to
`inline_max` are not written to disk here but are sent with their claim.

A spool file that no worker has taken was never acknowledged to the peer. So an acceptor that starts
can delete whatever its predecessor left: its own `incoming/N`, and in `ready` the tokens with its
number. If a worker still has such a claim, it fails to take the file; its request is over anyway.
"""

from gateway.spool.claim import Claim, Sealed, Tokens
from gateway.spool.directory import check_data_dir, check_file_system
from gateway.spool.spool import Spool
from gateway.spool.writer import Writer

__all__ = ["Claim", "Sealed", "Spool", "Tokens", "Writer", "check_data_dir", "check_file_system"]

"""The claim check: data sets wait on disk, and only their claims travel.

    incoming/N/TOKEN.part   acceptor N writes the fragments as they arrive
    ready/TOKEN             sealed and offered; a worker takes it by renaming it into its own tree
    quarantine/TOKEN.dcm    parked: two workers died with it in hand; nothing ever reads it back

Each is a Part 10 file whose data set is byte for byte what the peer sent. Data sets up to
`inline_max` never touch the disk here: they travel with their claim.

A spool file that no worker took was never acknowledged to its peer. That is why a starting acceptor
may delete whatever its predecessor left: its own `incoming/N`, and in `ready` the tokens that carry
its number. If a worker still holds such a claim, its take fails, for a request that nobody waits
for any more.
"""

from gateway.spool.claim import Claim, Tokens
from gateway.spool.directory import check_data_dir, check_file_system
from gateway.spool.spool import Sealed, Spool
from gateway.spool.writer import Writer

__all__ = ["Claim", "Sealed", "Spool", "Tokens", "Writer", "check_data_dir", "check_file_system"]

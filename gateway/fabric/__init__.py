"""The messages between acceptors and workers; PROTOCOL.md describes them.

Three packages: `wire` has what both ends share, `acceptor` the server that asks, `worker` the
client that answers and watches. Neither end imports the other.
"""

from gateway.fabric.wire.terms import (
    Answer,
    Binding,
    CancelReason,
    CommandFailure,
    LeaseState,
    Notification,
    ReceivedIntervention,
    Registration,
)

# fmt: off
__all__ = [
    "Answer", "Binding", "CancelReason", "CommandFailure", "LeaseState", "Notification",
    "ReceivedIntervention", "Registration",
]
# fmt: on

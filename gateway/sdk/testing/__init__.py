"""Call handlers with no process and no socket, and see what the peer would get.

Each function takes a `Worker`, whose bound handler is called with its own arguments, or just a
handler, and does with its answer what a running gateway does. So a mistake becomes the status that
the peer would get: a handler that raises, returns the wrong type, yields too much, or is late. The
traceback is in the log, `gateway.sdk`; pytest shows it with a test that fails.

    from gateway.sdk import testing
    from myworker import worker

    def test_a_ct_is_taken():
        assert testing.store(worker, "ct.dcm") == 0x0000

    def test_nothing_is_taken_from_strangers():
        assert testing.store(worker, "ct.dcm", ae_title="STRANGER") == 0x0124

    def test_find():
        identifier = Dataset()
        identifier.PatientID = "P1"
        *matches, (status, _) = testing.find(worker, identifier)
        assert status == 0x0000
        assert [match.StudyDate for _, match in matches] == ["20240131"]

    def test_it_stops_after_a_cancel():
        assert testing.find(worker, identifier, cancel_after=1)[-1] == (0xFE00, None)

    def test_get():
        retrieval = testing.get(worker, identifier)
        assert (retrieval.status, retrieval.completed, retrieval.failed) == (0x0000, 3, 0)

    def test_a_worker_with_options(tmp_path):
        with testing.started(worker, tmp_path, limit=5):
            assert testing.echo(worker) == 0x0000

The keywords of the peer (`ae_title`, ...) are those of `Peer`. With a `Peer` of its own, a test
sees what else the handler did: what it published and sent, and whether it ended the association.

    peer = testing.Peer(ae_title="CT1")
    testing.store(worker, "ct.dcm", peer=peer)
    assert peer.published == [("EVT_INSTANCE_STORED", {"path": "..."})]
"""

from __future__ import annotations

from gateway.sdk.testing.association_requests import (
    associate,
    async_ops,
    sop_common,
    sop_extended,
    user_id,
)
from gateway.sdk.testing.dimse_services import (
    echo,
    find,
    get,
    move,
    n_action,
    n_create,
    n_delete,
    n_event_report,
    n_get,
    n_set,
    store,
)
from gateway.sdk.testing.lifecycle import notify, started
from gateway.sdk.testing.simulated_peer import Peer
from gateway.sdk.testing.simulated_retrieval import Retrieval
from gateway.sdk.testing.simulated_transform import transform

# fmt: off
__all__ = [
    "Peer", "Retrieval", "associate", "async_ops", "echo", "find", "get", "move", "n_action",
    "n_create", "n_delete", "n_event_report", "n_get", "n_set", "notify", "sop_common",
    "sop_extended", "started", "store", "transform", "user_id",
]
# fmt: on

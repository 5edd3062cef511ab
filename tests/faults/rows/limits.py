"""Attackers of each kind, from one address, beside healthy peers."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

from tests.conftest import running
from tests.faults.request_attackers import NOBODY_READS
from tests.faults.row import Result, Row
from tests.faults.tls_gateway import running_with_tls
from tests.faults.witness import watch
from tests.peers.workers import UserWorker

if TYPE_CHECKING:
    from tests.faults.row import Options

CONFIG = '[log]\nlevel = "error"\n'
KINDS = {
    "pipeline": "requests, cancels and empty PDVs without pause, answers not read",
    "gather": "150 unfinished identifiers and 150 unfinished A-ASSOCIATE-RQs of 1 MB",
    "identifiers": "identifiers that inflate to 256 MB, 80,000 keys, 5,000 UIDs, wildcards",
    "trickle": "1,200 associations that send a byte a second",
    "silent": "3,000 connections that say nothing",
    "flood": "connections that break the protocol, again and again",
    "bomb": "deflated instances of 0.9 MB that inflate to 900 MB",
}
REQUESTS = {
    "wide-asks": "A-ASSOCIATE-RQs with 128 contexts and 2,500 user items",
    "titles": "C-STOREs, each of another calling AE title",
    "slow-finds": "C-FINDs for everything whose answers are not read",
    "unanswered-gets": "C-GETs whose requestor answers no C-STORE",
    "never-released": "100 associations that query on and never release",
    "half-open": "1,000 connections whose peers have shut their side",
    "resets": "connections that are reset in each phase",
}
COMMITS = """
from gateway import Worker, evt

worker = Worker("commits")


@worker.on(evt.EVT_N_ACTION)
def act(event):
    return 0x0000, None
"""


def _run(attacks: list[str], options: Options, every: int = 1) -> Result:
    with running(CONFIG) as gateway:
        text = watch(gateway, options.seconds, attacks, every=every)
        return Result(ok=True, runs=1, text=text)


def _unread_log(options: Options) -> Result:
    """Flood while every line is logged and nobody reads them."""
    with running("[log]\nrepeats = 0\n", reads_log=False) as gateway:
        return Result(ok=True, runs=1, text=watch(gateway, options.seconds, ["flood"]))


def _run_tls(options: Options) -> Result:
    with running_with_tls(CONFIG) as (gateway, context):
        text = watch(gateway, options.seconds, ["stalled-tls"], context)
        return Result(ok=True, runs=1, text=text)


def _n_data_sets(options: Options) -> Result:
    with (
        running(CONFIG) as gateway,
        UserWorker(gateway.folder, COMMITS, gateway.data) as worker,
    ):
        worker.wait_ready()
        text = watch(gateway, options.seconds, ["n-data-sets"])
        return Result(ok=True, runs=1, text=text)


def _moves(options: Options) -> Result:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as unread:
        port = unread.getsockname()[1]
        destination = f'[destinations.{NOBODY_READS}]\nhost = "127.0.0.1"\nport = {port}\n'
        with running(CONFIG + destination) as gateway:
            return Result(ok=True, runs=1, text=watch(gateway, options.seconds, ["moves"]))


ROWS = [
    Row("attack-none", "P5", "nothing: what a healthy peer takes here", partial(_run, [])),
    *(
        Row(f"attack-{name}", "P4 P5", fault, partial(_run, [name]))
        for name, fault in {**KINDS, **REQUESTS}.items()
    ),
    Row("attack-n-data-sets", "P4 P5", "N-ACTIONs with 31 MiB, 40 associations", _n_data_sets),
    Row("attack-moves", "P4 P5", "C-MOVEs to a destination that never reads", _moves),
    Row("attack-stalled-tls", "P4 P5", "3,000 TLS handshakes that stop half way", _run_tls),
    Row("attack-unread-log", "P4 P5", "a flood while nobody reads the log", _unread_log),
    Row("attack-all", "P4 P5", "the first eight at once", partial(_run, list(KINDS))),
    Row(
        "attack-requests",
        "P4 P5",
        "bombs and all that ask too much at once, each with a quarter of its peers",
        partial(_run, ["bomb", *REQUESTS], every=4),
    ),
]

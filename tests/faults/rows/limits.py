"""Attackers of each kind, from one address, beside healthy peers."""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING

import trustme

from tests.conftest import running, short_folder
from tests.faults.row import Result, Row
from tests.faults.witness import watch

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
}


def _run(attacks: list[str], options: Options) -> Result:
    with running(CONFIG) as gateway:
        return Result(ok=True, runs=1, text=watch(gateway, options.seconds, attacks))


def _unread_log(options: Options) -> Result:
    """Flood while every line is logged and nobody reads them."""
    with running("[log]\nrepeats = 0\n", reads_log=False) as gateway:
        return Result(ok=True, runs=1, text=watch(gateway, options.seconds, ["flood"]))


def _run_tls(options: Options) -> Result:
    authority = trustme.CA()
    with short_folder() as folder:
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        files = f'certificate = "{folder}/cert.pem"\nkey = "{folder}/key.pem"\n'
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with running(f"{CONFIG}[tls]\n{files}") as gateway:
            text = watch(gateway, options.seconds, ["stalled-tls"], context)
            return Result(ok=True, runs=1, text=text)


ROWS = [
    Row("attack-none", "P5", "nothing: what a healthy peer takes here", partial(_run, [])),
    *(
        Row(f"attack-{name}", "P4 P5", fault, partial(_run, [name]))
        for name, fault in KINDS.items()
    ),
    Row("attack-stalled-tls", "P4 P5", "3,000 TLS handshakes that stop half way", _run_tls),
    Row("attack-unread-log", "P4 P5", "a flood while nobody reads the log", _unread_log),
    Row("attack-all", "P4 P5", "all of these at once", partial(_run, list(KINDS))),
]

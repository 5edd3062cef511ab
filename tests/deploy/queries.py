"""The queries of the rules and the dashboard, asked of a running Prometheus under load.

`python -m tests.deploy.queries [PROMETHEUS]` starts a gateway that forwards to another one by TLS,
a Prometheus (a path, or the one on PATH) that scrapes it, and a load, and lets happen what is
counted; it prints each query with the number of series it returned. The exit status is 1 if one
returned none.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import sys
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pynetdicom
import trustme
from pydicom.dataset import Dataset

from tests.conftest import running, short_folder
from tests.patience import WALL
from tests.peers import instances, procfs
from tests.peers.process import Program, run_cli
from tests.peers.scp import free_port
from tests.peers.workers import UserWorker
from tests.system.test_commitment import COMMITMENT
from tests.system.test_mpps import MPPS
from tests.workers.complete.test_webhook import SECRET, Server
from tests.workers.mpps.steps import CT, creation

if TYPE_CHECKING:
    from tests.peers.process import Gateway

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus-rules.yml"
DASHBOARD = DEPLOY / "grafana-dashboard.json"
CONFIG = """
[policy]
require_called_ae_title = true
[workers.web]
[web]
port = {page}
{files}
[destinations.COPY]
host = "localhost"
port = {port}
tls = true
tls_ca = "{folder}/ca.pem"
[workers.complete.options]
quiet = 1.0
webhooks = [{{url = "{webhook}", secret_file = "{folder}/secret"}}]
[[routes]]
destinations = ["COPY"]
[destinations.AWAY]
host = "localhost"
port = {away}
[workers.mpps.options]
send_to = ["COPY", "AWAY"]
[workers.commitment]
[archive]
transform = ["coerce"]
[workers.deidentify.options]
key_file = "{folder}/deidentify.key"
[[routes]]
destinations = ["AWAY"]
transform = "deidentify"
[fabric]
listen = "tcp://127.0.0.1:{fabric}"
keys = "{folder}/keys"
"""
SCRAPED = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ['{rules}']
scrape_configs:
  - job_name: dicom-gateway
    static_configs: [{{targets: ['127.0.0.1:{page}']}}]
"""
FAILS = """
from gateway import Worker, evt

worker = Worker("fails")


@worker.on(evt.EVT_C_STORE, sop_classes=["1.2.840.10008.5.1.4.1.1.4"])
def store(event):
    raise ValueError("as it is meant to")
"""


def alerts() -> dict[str, str]:
    """Return the query of each alert, without the comparison that makes it fire."""
    found = re.findall(
        r"- alert: (\w+)\n\s+expr: (?:>-\n)?(.*?)\n\s+(?:for|labels):", RULES.read_text(), re.DOTALL
    )
    return {
        name: re.sub(r"\s*(<|>|==) [\d.]+( \* \d+)?$", "", " ".join(query.split()))
        for name, query in found
    }


def panels() -> dict[str, str]:
    """Return the query of each panel."""
    return {
        panel["title"]: target["expr"]
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
    }


def metrics_of(query: str) -> set[str]:
    """Return the metrics that a query names, histograms without `_bucket`."""
    return {name.removesuffix("_bucket") for name in re.findall(r"dicom_gateway_\w+", query)}


def ask(port: int, query: str) -> list[Any]:
    """Return the series of a query."""
    where = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(where, timeout=WALL) as answer:
        return list(json.load(answer)["data"]["result"])


def main(prometheus: str = "prometheus") -> int:
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        files = _certificate(folder)
        copy = f"[log]\nlevel = 'error'\n[workers.mpps]\n{files}"
        destination = stack.enter_context(running(copy))
        port, page, webhook = free_port(), free_port(), Server()
        away, fabric = free_port(), free_port(2)
        stack.callback(webhook.close)
        webhook.answers = [503]
        (folder / "secret").write_bytes(SECRET)
        (folder / "deidentify.key").write_bytes(b"k" * 32)
        (folder / "deidentify.key").chmod(0o600)
        config = CONFIG.format(
            folder=folder,
            page=page,
            files=files,
            webhook=webhook.url,
            port=destination.address[1],
            away=away,
            fabric=fabric,
        )
        (folder / "keys.toml").write_text(f'[fabric]\nkeys = "{folder}/keys"\n')
        assert run_cli("keys", "new", "--config", folder / "keys.toml").popen.returncode == 0
        gateway = stack.enter_context(running(config))
        scraped = folder / "prometheus.yml"
        scraped.write_text(SCRAPED.format(rules=RULES, page=page))
        options = f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"
        server = Program(prometheus, f"--config.file={scraped}", *options)
        try:
            server.err.wait_for("ready to receive web requests")
            procfs.until(lambda: bool(ask(port, "dicom_gateway_ready")), what="a scrape")
            _let_modality_ask(gateway, folder)
            _knock(fabric)
            _let_happen(gateway, folder)
            sent = "dicom_gateway_forward_certificate_end_timestamp_seconds"
            procfs.until(lambda: bool(ask(port, sent)), what="what was forwarded")
            return _report(port)
        finally:
            server.terminate()
            server.wait()


def _certificate(folder: Path) -> str:
    """Write a certificate for localhost and its authority; return the table for the server."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    return f'[tls]\ncertificate = "{folder}/cert.pem"\n'


def _let_happen(gateway: Gateway, folder: Path) -> None:
    """Cause each thing that is measured: a load, a refusal, a failure, a conflict, a death."""
    peer = (*gateway.address, "--tls-ca", folder / "ca.pem", "--tls-name", "localhost")
    right = ("--aec", "GATEWAY")
    assert run_cli("echo", *peer, *right).popen.returncode == 0
    assert run_cli("echo", *peer, "--aec", "OTHER").popen.returncode == 1
    one = instances.make()
    other = replace(one, data_set=one.data_set.replace(b"Test^Instance", b"Best^Instance"))
    for number, content in enumerate((one, other)):
        place = instances.write_folder(folder / f"sent-{number}", [content])
        run_cli("store", *peer, place, *right)
    with UserWorker(gateway.folder, FAILS, gateway.data) as worker:
        worker.wait_ready()
        run_cli("load", *peer, *right, "--mix", "mr", "--size", "8k", "--count", "20")
        load = run_cli("load", *peer, *right, "--duration", "15s", "--associations", "4")
        assert load.popen.returncode == 0, load.report()
    query = procfs.find_child(gateway.pid, "query-0")
    assert query is not None
    os.kill(query, signal.SIGKILL)
    procfs.until(
        lambda: procfs.find_child(gateway.pid, "query-0") not in (None, query), what="a restart"
    )
    assert run_cli("load", *peer, *right, "--duration", "5s").popen.returncode == 0


def _let_modality_ask(gateway: Gateway, folder: Path) -> None:
    """Send a performed procedure step, and ask for commitment to what is not here."""
    wanted = Dataset()
    wanted.TransactionUID = "1.2.3.99"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, "1.2.3.4.5"
    wanted.ReferencedSOPSequence = [reference]
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    ae = pynetdicom.AE("CT1")
    for sop_class in (MPPS, COMMITMENT):
        ae.add_requested_context(sop_class)
    peer = ae.associate(*gateway.address, ae_title="GATEWAY", tls_args=(context, "localhost"))
    assert peer.send_n_create(creation(), MPPS, "1.2.3.98")[0].Status == 0x0000
    assert peer.send_n_action(wanted, 1, COMMITMENT, f"{COMMITMENT}.1")[0].Status == 0x0000
    peer.release()


def _knock(port: int) -> None:
    """Send something to the port for workers on other hosts that is not of its protocol."""
    with socket.create_connection(("127.0.0.1", port), timeout=WALL) as knocking:
        knocking.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
        knocking.settimeout(WALL)
        with suppress(OSError):
            while knocking.recv(4096):
                pass


def _report(port: int) -> int:
    missing = 0
    for name, query in {**alerts(), **panels()}.items():
        series = len(ask(port, query))
        missing += not series
        print(f"{series:>4} {name}: {query}")
    print(f"{missing} queries without data, at {time.strftime('%H:%M:%S')}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

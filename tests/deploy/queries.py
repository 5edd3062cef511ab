"""The queries of the rules and the dashboard, asked of a running Prometheus under load.

`python -m tests.deploy.queries [PROMETHEUS]` starts a gateway, a Prometheus (a path, or the one on
PATH) that scrapes it, and a load; it prints each query with the number of series it returned. The
exit status is 1 if one returned none.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.conftest import running, short_folder
from tests.patience import WALL
from tests.peers import procfs
from tests.peers.process import Program, run_cli

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus-rules.yml"
DASHBOARD = DEPLOY / "grafana-dashboard.json"
_RARE = ("rejections", "restarts", "failures", "conflicts", "certificate", "status=~")
"""Words of queries that have a series only after what they count, or with TLS."""


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
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, page = free.getsockname()[1], other.getsockname()[1]
    with short_folder() as folder, running(f"[workers.web]\n[web]\nport = {page}\n") as gateway:
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{RULES}']\n"
            "scrape_configs:\n  - job_name: dicom-gateway\n"
            f"    static_configs: [{{targets: ['127.0.0.1:{page}']}}]\n"
        )
        options = f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"
        server = Program(prometheus, f"--config.file={config}", *options)
        try:
            server.err.wait_for("ready to receive web requests")
            assert run_cli("echo", *gateway.address).popen.returncode == 0
            load = run_cli("load", *gateway.address, "--duration", "15s", "--associations", "4")
            assert load.popen.returncode == 0, load.report()
            procfs.until(lambda: bool(ask(port, "dicom_gateway_ready")), what="a scrape")
            return _report(port)
        finally:
            server.terminate()
            server.wait()


def _report(port: int) -> int:
    missing = 0
    for name, query in {**alerts(), **panels()}.items():
        series = len(ask(port, query))
        is_rare = any(word in query for word in _RARE)
        missing += not series and not is_rare
        print(f"{series:>4} {'(may be none) ' if is_rare else ''}{name}: {query}")
    print(f"{missing} queries without data, at {time.strftime('%H:%M:%S')}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

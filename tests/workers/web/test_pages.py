"""What the page is told: totals, peers, and nothing that opens it for others."""

from __future__ import annotations

from gateway.metrics import Metrics
from workers.web.health import Health
from workers.web.pages import FILES, MOST_PEERS, STATIC, figures

PEER = ("calling", "called")
HOSTILE = '<script>alert(1)</script>"'


def health(**more: object) -> Health:
    found = Health(lambda: {"state": "ok", "reasons": [], "workers": [], **more})
    found.look()
    return found


def measured() -> Metrics:
    made = Metrics()
    requests = made.counter("dicom_gateway_requests_total", "", *PEER, "service", "status")
    requests.add(3, HOSTILE, "GATEWAY", "C-STORE", "0000")
    requests.add(1, HOSTILE, "GATEWAY", "C-STORE", "B000")
    requests.add(2, HOSTILE, "GATEWAY", "C-STORE", "A700")
    requests.add(1, "MR", "GATEWAY", "C-ECHO", "0000")
    made.counter("dicom_gateway_instances_received_total", "", *PEER).add(4, HOSTILE, "GATEWAY")
    for name, number in (("received", 10.0), ("sent", 5.0)):
        made.counter(f"dicom_gateway_{name}_bytes_total", "", *PEER).add(number, "MR", "GATEWAY")
    return made


def test_totals_and_peers() -> None:
    told = figures(list(measured()), health())
    assert told["totals"] == {"instances": 4, "requests": 7, "received": 10, "sent": 5}
    first, second = told["peers"]
    assert (first["calling"], first["received"], first["failed"]) == ("MR", 10, 0)
    assert (second["calling"], second["requests"], second["failed"]) == (HOSTILE, 6, 2)
    assert told["more"] == 0
    assert told["alive"]


def test_many_peers_are_counted_and_the_busiest_are_shown() -> None:
    made = Metrics()
    received = made.counter("dicom_gateway_received_bytes_total", "", *PEER)
    for number in range(MOST_PEERS + 7):
        received.add(number, f"AE{number}", "GATEWAY")
    told = figures(list(made), health())
    assert (len(told["peers"]), told["more"]) == (MOST_PEERS, 7)
    assert told["peers"][0]["calling"] == f"AE{MOST_PEERS + 6}"


def test_the_address_with_the_token_is_not_told() -> None:
    process = {"name": "web-0", "page": "http://127.0.0.1:1/?token=secret", "probes": "http://x/"}
    told = figures([], health(workers=[{"name": "web", "processes": [process]}]))
    assert "secret" not in str(told)
    assert told["status"]["workers"][0]["processes"] == [{"name": "web-0"}]


def test_every_file_of_the_page_is_there_and_has_no_markup_of_others() -> None:
    assert {path.name for path in STATIC.iterdir()} == {*FILES, "index.html"}
    script = (STATIC / "page.js").read_text()
    assert not [word for word in ("innerHTML", "outerHTML", "document.write") if word in script]

"""What the pages take from the metrics: totals of peers, delays, and nothing that opens a page."""

from __future__ import annotations

from gateway.metrics import Metrics
from workers.web.figures import MOST_PEERS, loop_delays, peers, without_addresses

PEER = ("calling", "called")
HOSTILE = '<script>alert(1)</script>"'


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


def test_the_totals_of_peers() -> None:
    (first, second), more = peers(measured())
    assert (first["calling"], first["received"], first["failed"]) == ("MR", 10, 0)
    assert (second["calling"], second["requests"], second["failed"]) == (HOSTILE, 6, 2)
    assert more == 0


def test_many_peers_are_counted_and_the_busiest_are_shown() -> None:
    made = Metrics()
    received = made.counter("dicom_gateway_received_bytes_total", "", *PEER)
    for number in range(MOST_PEERS + 7):
        received.add(number, f"AE{number}", "GATEWAY")
    rows, more = peers(made)
    assert (len(rows), more) == (MOST_PEERS, 7)
    assert rows[0]["calling"] == f"AE{MOST_PEERS + 6}"


def test_delays_of_event_loops() -> None:
    made = Metrics()
    delays = made.histogram("dicom_gateway_event_loop_delay_seconds", "", "process")
    for _ in range(100):
        delays.observe(0.001, "acceptor-0")
    told = loop_delays(made)["acceptor-0"]
    assert 0.0005 < told["median"] == told["p99"] < 0.002
    assert loop_delays(Metrics()) == {}


def test_the_address_with_the_token_is_not_told() -> None:
    process = {"name": "web-0", "page": "http://127.0.0.1:1/?token=secret", "probes": "http://x/"}
    told = without_addresses({"workers": [{"name": "web", "processes": [process]}]})
    assert told["workers"][0]["processes"] == [{"name": "web-0"}]

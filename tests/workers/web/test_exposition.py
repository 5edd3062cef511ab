"""The text formats, read by prometheus_client's own parsers."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from gateway.metrics import Metrics
from workers.web.exposition import encode

HOSTILE = 'A"\\\n\x1b<b>'


def measured() -> Metrics:
    made = Metrics()
    made.counter("dicom_gateway_c_total", "Some.", "calling").add(2, HOSTILE)
    made.gauge("dicom_gateway_g", "Other.").set(3)
    for seconds in (0.001, 0.1, 100.0):
        made.histogram("dicom_gateway_h_seconds", "Third.", "event").observe(seconds, "E")
    return made


def samples(text: str, parse) -> dict:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def check(found: dict) -> None:
    assert found["dicom_gateway_c_total", HOSTILE] == 2
    assert found["dicom_gateway_g",] == 3
    assert found["dicom_gateway_h_seconds_count", "E"] == 3
    assert found["dicom_gateway_h_seconds_bucket", "E", "+Inf"] == 3
    assert found["dicom_gateway_h_seconds_bucket", "E", "0.125"] == 2


def test_prometheus() -> None:
    body, content_type = encode(measured(), "text/plain")
    assert content_type.startswith("text/plain")
    check(samples(body.decode(), prometheus))


def test_openmetrics_where_it_is_accepted() -> None:
    body, content_type = encode(measured(), "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    check(samples(body.decode(), openmetrics))

"""Spans of a request, across the processes, as an SDK gets them; and nothing without one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.conftest import running
from tests.peers import instances, procfs
from tests.peers.process import run_cli

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = """
import json, os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class Exporter(SpanExporter):
    def export(self, spans):
        with open(os.path.join(os.environ["OTEL_TEST_FOLDER"], f"{os.getpid()}.json"), "a") as to:
            for span in spans:
                to.write(span.to_json(indent=None) + "\\n")
        return SpanExportResult.SUCCESS


class Configurator:
    def configure(self):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(Exporter()))
        trace.set_tracer_provider(provider)
"""


def write_plugin(folder: Path) -> None:
    (folder / "span_files.py").write_text(PLUGIN)
    info = folder / "span_files-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: span_files\nVersion: 1\n")
    point = "[opentelemetry_configurator]\nfiles = span_files:Configurator\n"
    (info / "entry_points.txt").write_text(point)


def spans_in(folder: Path) -> list[dict]:
    return [
        json.loads(line)
        for path in folder.glob("*.json")
        for line in path.read_text().rpartition("\n")[0].splitlines()  # the last may be half
    ]


def trace_of(folder: Path, service: str, count: int) -> list[dict]:
    """The spans of the trace that begins with this service, once there are so many."""

    def look() -> list[dict] | None:
        spans = spans_in(folder)
        traces = [s["context"]["trace_id"] for s in spans if s["name"] == service]
        found = [s for s in spans if s["context"]["trace_id"] in traces[:1]]
        return found if len(found) == count else None

    return procfs.until(look, what=f"{count} spans of {service}")


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to which each process of a gateway that is started writes its spans."""
    write_plugin(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OTEL_TEST_FOLDER", str(tmp_path))
    return tmp_path


def test_the_stages_of_a_request_are_spans_of_one_trace(recorded: Path) -> None:
    image = instances.write_folder(recorded / "images", [instances.make()])
    with running() as gateway:
        stored = run_cli("store", *gateway.address, image, "--aet", "CT1", "--aec", "GATEWAY")
        assert stored.wait() == 0, stored.report()
        spans = trace_of(recorded, "C-STORE", 8)
    by_name = {span["name"]: span for span in spans}
    root, handler = by_name["C-STORE"], by_name["handler"]
    assert root["parent_id"] is None
    stages = {"receive", "wait", "worker", "response", "handler"}
    assert {s["name"] for s in spans if s["parent_id"] == root["context"]["span_id"]} == stages
    assert {s["name"] for s in spans if s["parent_id"] == handler["context"]["span_id"]} == {
        "sync",
        "commit",
    }
    told = root["attributes"]
    assert (told["dicom.calling_ae_title"], told["dicom.status"]) == ("CT1", "0000")
    assert (told["dicom_gateway.process"], root["kind"]) == ("acceptor-0", "SpanKind.SERVER")
    assert handler["attributes"]["dicom_gateway.process"] == "storage-0"
    for name in ("receive", "wait", "worker", "response"):
        assert root["start_time"] <= by_name[name]["start_time"] <= by_name[name]["end_time"], name
    times = [by_name[name]["start_time"] for name in ("receive", "wait", "worker", "response")]
    assert times == sorted(times)


def test_each_request_of_a_batch_has_its_own_commit(recorded: Path) -> None:
    images = instances.write_folder(recorded / "images", instances.many(12))
    with running() as gateway:
        stored = run_cli("store", *gateway.address, images, "--associations", "4")
        assert stored.wait() == 0, stored.report()
        procfs.until(
            lambda: Counter(s["name"] for s in spans_in(recorded))["C-STORE"] == 12,
            what="the spans of 12 C-STOREs",
        )
    spans = spans_in(recorded)
    traces = {s["context"]["trace_id"] for s in spans if s["name"] == "C-STORE"}
    assert len(traces) == 12
    assert {s["context"]["trace_id"] for s in spans if s["name"] == "commit"} == traces


CODE = """
import sys
from gateway import spans
spans.start("acceptor-0")
print(spans.recorder, "opentelemetry" in sys.modules)
"""


def test_without_a_variable_nothing_is_imported() -> None:
    clean = {"PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", CODE], env=clean, capture_output=True, check=True)
    assert done.stdout.split() == [b"None", b"False"], done.stderr


def test_without_an_sdk_nothing_is_recorded() -> None:
    asked = {"PATH": "/usr/bin", "OTEL_SERVICE_NAME": "gateway"}
    done = subprocess.run([sys.executable, "-c", CODE], env=asked, capture_output=True, check=True)
    assert done.stdout.split()[0] == b"None", done.stderr

"""The SDK's README: its samples run, and its tables of events are the catalogue's."""

import re
from pathlib import Path

import pytest

import gateway.sdk
from gateway import events
from gateway.config import load
from gateway.sdk.event_attributes import attributes_of
from tests.documents import run, samples, write_modules

README = Path(gateway.sdk.__file__).parent / "README.md"
PYTHON, TOML = samples(README, "python"), samples(README, "toml")
EVERY_EVENT = set(attributes_of(events.EVT_RELEASED))
EVERY_REQUEST = {"attempt", "is_cancelled", "request", "context", "message_id"}


@pytest.mark.parametrize("sample", PYTHON, ids=lambda sample: f"{sample.heading}-{sample.line}")
def test_every_sample_runs(sample, tmp_path, monkeypatch):
    write_modules(PYTHON, tmp_path, monkeypatch)
    run(README, sample, tmp_path=tmp_path)


@pytest.mark.parametrize("sample", TOML, ids=lambda sample: sample.heading)
def test_every_configuration_is_valid(sample, tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(sample.code)
    settings = load(file, environment={})
    assert settings.workers["limited"].options == {"limit": 5}
    assert not settings.workers["storage"].enabled


def rows():
    """The rows of the tables of events: name, attributes, and the last cell."""
    found = re.findall(r"^\| `(EVT_\w+)` \|([^|]*)\|(.*)\|$", README.read_text(), re.M)
    return {
        name: (set(re.findall(r"`(\w+)`", own)), rest.rpartition("|")[2].strip())
        for name, own, rest in found
    }


def test_every_event_is_listed_once():
    listed = re.findall(r"^\| `(EVT_\w+)`", README.read_text(), re.M)
    assert sorted(listed) == sorted(events.CATALOGUE)


@pytest.mark.parametrize("event", events.CATALOGUE.values(), ids=str)
def test_an_event_has_the_attributes_that_are_listed(event):
    own, _ = rows()[event.name]
    assert own == set(attributes_of(event)) - EVERY_EVENT - EVERY_REQUEST


@pytest.mark.parametrize("event", events.INTERVENTIONS.values(), ids=str)
def test_a_request_that_nobody_answers_gets_the_status_that_is_listed(event):
    if event.failures is not None:
        assert rows()[event.name][1] == f"`0x{event.failures.unanswered:04X}`"


def test_the_table_of_modules_names_files_that_exist():
    table = README.read_text().rpartition("## Where the code is")[2]
    named = re.findall(r"`(\w+(?:\.py|/))`", table)
    assert named
    assert [one for one in named if not (README.parent / one).exists()] == []


@pytest.mark.parametrize(
    ("row", "failure"),
    [
        ("the handler raises", "raised"),
        ("a status data set has no Status", "no_status"),
        ("anything else that is not a status", "bad_status"),
        ("no worker, or it is lost, busy or late", "unanswered"),
    ],
)
def test_the_statuses_of_what_goes_wrong(row, failure):
    (line,) = re.findall(rf"^\| {row} \|(.*)\|$", README.read_text(), re.M)
    services = (
        events.EVT_C_STORE, events.EVT_C_FIND, events.EVT_C_GET, events.EVT_C_MOVE, events.EVT_N_SET
    )  # fmt: skip
    expected = [f"{getattr(event.failures, failure):04X}" for event in services]
    assert [cell.strip() for cell in line.split("|")] == expected

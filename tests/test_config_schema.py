"""The JSON Schema of gateway.toml: it accepts what the program accepts, and describes it all."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from gateway.config import json_schema, load
from gateway.config.tables import LISTED, NAMED, RULES, TABLES
from gateway.errors import ConfigError
from tests.peers.process import run_cli

DEPLOYED = Path(__file__).parent.parent / "deploy" / "gateway.toml"
SCHEMA = json_schema()


def is_valid(text: str) -> bool:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return not list(validator.iter_errors(tomllib.loads(text)))


def test_it_is_a_schema_and_accepts_every_setting_with_its_default() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert is_valid(DEPLOYED.read_text())


@pytest.mark.parametrize(
    "text",
    [
        "[gateway]\nport = 70000",
        '[gateway]\ndurability = "fast"',
        "[gateway]\nprot = 104",
        "[gatway]\nport = 104",
        '[[policy.rules]]\ncaling = ["A"]',
        "[workers.storage]\nprocesses = 0",
        "[destinations.A]\nport = 104",
        "[archive]\nduplicates = true",
    ],
)
def test_it_refuses_what_the_program_refuses(text: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        load(file, environment={})
    assert not is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        '[[policy.rules]]\ncalling = ["CT*"]\nservices = ["storage"]',
        'destinations = {A = "host:104", B = {host = "h", port = 1}}',
        'destinations = {A = "https://h/dicom-web", B = {url = "http://h", token_file = "t"}}',
        '[workers.mine]\nworker = "module:worker"\n[workers.mine.options]\nx = 1',
    ],
)
def test_it_accepts_what_the_program_accepts(text: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    load(file, environment={})
    assert is_valid(text)


def test_every_setting_is_described() -> None:
    for kind in (*TABLES.values(), *NAMED.values(), *LISTED.values()):
        assert kind in RULES
    for table, entry in SCHEMA["properties"].items():
        for name, setting in entry.get("properties", {}).items():
            assert len(setting["description"]) > len("It must be true or false."), (table, name)
            assert "default" in setting, (table, name)


def test_the_command_prints_it() -> None:
    done = run_cli("config", "--schema")
    assert done.wait() == 0, done.report()
    assert json.loads(done.out.text) == json.loads(json.dumps(SCHEMA))

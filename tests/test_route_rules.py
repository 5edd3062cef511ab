"""Routes that cannot be meant are refused, those that contradict each other are named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.config import check_existing, json_schema, load
from gateway.errors import ConfigError
from gateway.route_rules import check_routes, compile_routes, matching_routes
from gateway.settings import ForwardRoute as Route

if TYPE_CHECKING:
    from pathlib import Path


def route(when: str = "", *destinations: str, **more) -> Route:
    return Route(when=when, destinations=destinations or ("A",), **more)


@pytest.mark.parametrize(
    "when",
    [
        'Modality == "CT" and Modality == "MR"',
        'Modality == "CT" and not Modality == "CT"',
        'Modality in ["CT", "MR"] and Modality not in ["CT", "MR"]',
        'Modality == "CT" and Modality like "M*"',
        "Rows == 3 and Rows > 4",
        'present(PatientID) and PatientID == "1" and not present(PatientID)',
        '(Modality == "CT" or Modality == "MR") and Modality == "US"',
    ],
)
def test_a_condition_that_nothing_fulfils_is_refused(when: str) -> None:
    with pytest.raises(ConfigError, match=r"routes\[2\]\.when = .* matches nothing: .*exclude"):
        check_routes([route(), route(when)], ["A"])


@pytest.mark.parametrize(
    "when",
    [
        'Modality == "CT" or Modality == "MR"',
        'Modality in ["CT", "MR"] and Modality != "CT"',
        "Rows > 3 and Rows < 9",
        'not (Modality == "CT" and Modality == "MR")',
        " and ".join(f"(Rows == {n} or Columns == {n})" for n in range(30)),
    ],
)
def test_a_condition_that_something_may_fulfil_is_not(when: str) -> None:
    assert check_routes([route(when)], ["A"]) == []


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (Route(), r"routes\[1\]\.destinations is empty"),
        (route("", "B"), r"routes\[1\]\.destinations: there is no 'B' in \[destinations\], which"),
        (route("", "A", "A"), "names one destination twice"),
        (route(hook="file.py"), r"routes\[1\]\.hook = 'file.py': it must be MODULE:FUNCTION"),
        (route("Rows"), r"routes\[1\]\.when = 'Rows': at character 5"),
    ],
)
def test_a_wrong_route_is_refused(wrong: Route, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        check_routes([wrong], ["A"])


def test_two_routes_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"routes\[2\]\.name = 'x' is the name of routes\[1\]"):
        check_routes([route(name="x"), route("Rows > 3", name="x")], ["A"])


def test_routes_that_contradict_or_repeat_each_other_are_named() -> None:
    (contradicts,) = check_routes([route(), route(priority="high")], ["A"])
    assert "routes[2] sends the same instances to A as routes[1], with another" in contradicts
    (repeats,) = check_routes([route("Rows > 3"), route("Rows>3", "A", "B")], ["A", "B"])
    assert repeats.endswith("as routes[1]: it is not needed")
    assert check_routes([route("Rows > 3"), route("Rows > 4")], ["A"]) == []


def test_every_route_that_holds_is_taken() -> None:
    compiled = compile_routes([route("Rows > 3", name="tall"), route("Rows > 9"), route()])
    found = [one.title for one in matching_routes(compiled, {"Rows": "5"})]
    assert found == ["tall", "route 3"]


def config(folder: Path, text: str) -> Path:
    file = folder / "gateway.toml"
    file.write_text(f'[destinations]\nA = "h:1"\n\n{text}')
    return file


def test_routes_have_the_worker_started(tmp_path: Path) -> None:
    file = config(tmp_path, '[[routes]]\ndestinations = ["A"]\nwhen = "Rows > 3"\n')
    settings = load(file, environment={})
    assert settings.forward.routes == (route("Rows > 3"),)
    assert settings.workers["forward"].enabled
    assert check_existing(settings) == []
    assert "forward" not in load(None, environment={}).workers


def test_an_error_names_the_line(tmp_path: Path) -> None:
    text = '[[routes]]\ndestinations = ["A"]\n\n[[routes]]\ndestinations = ["A"]\nwhen = "Rows"\n'
    with pytest.raises(ConfigError, match=r"gateway\.toml:9: routes\[2\]\.when = 'Rows': at char"):
        load(config(tmp_path, text), environment={})
    with pytest.raises(ConfigError, match=r"gateway\.toml:5: routes\[1\]\.delay = -1: it must be"):
        load(config(tmp_path, "[[routes]]\ndelay = -1\n"), environment={})


def test_a_hook_that_is_not_there_is_refused(tmp_path: Path) -> None:
    settings = load(config(tmp_path, '[[routes]]\nhook = "nowhere:at_all"\n'), environment={})
    with pytest.raises(ConfigError, match=r"routes\[1\]\.hook = \"nowhere:at_all\": there is no"):
        check_existing(settings)


def test_the_schema_has_routes_at_the_top() -> None:
    assert json_schema()["properties"]["routes"]["items"]["properties"]["when"]["type"] == "string"


def test_routes_with_other_transforms_contradict_each_other() -> None:
    plain, changed = route("Rows > 3"), replace(route("Rows > 3"), transform=("deidentify",))
    (warning,) = check_routes([plain, changed], ["A"])
    assert warning.endswith("which contradicts it: one with a transform counts")
    with pytest.raises(ConfigError, match=r"routes\[1\]\.transform names one worker twice"):
        check_routes([replace(plain, transform=("a", "a"))], ["A"])

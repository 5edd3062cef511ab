"""Settings survive the pipe to a child."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.settings import (
    AcceptorSettings,
    AssociationSettings,
    PolicySettings,
    WorkerSettings,
    from_map,
    to_map,
)

ACCEPTOR = AcceptorSettings(
    index=3,
    ae_title="GATEWAY",
    run_dir="/run",
    spool_dir="/spool",
    expect=("storage", "other"),
    durable=False,
    association=AssociationSettings(max_pdu=4096, artim_timeout=0.5),
    policy=PolicySettings(calling_ae_titles=("A", "B"), unrestricted=True),
)
WORKER = WorkerSettings(
    name="storage",
    target="storage",
    member=1,
    generation=7,
    run_dir="/run",
    data_dir="/data",
    path=("/a", "/b"),
    options={"nested": {"list": [1, 2]}},
)


@pytest.mark.parametrize("settings", [ACCEPTOR, WORKER], ids=["acceptor", "worker"])
def test_json_carries_settings_unchanged(settings: AcceptorSettings | WorkerSettings) -> None:
    carried = json.loads(json.dumps(to_map(settings)))
    assert from_map(type(settings), carried) == settings


def test_a_name_that_settings_lack_is_an_error() -> None:
    values = to_map(ACCEPTOR) | {"colour": "red"}
    with pytest.raises(TypeError, match="AcceptorSettings has no setting colour"):
        from_map(AcceptorSettings, values)


def test_a_nested_name_that_settings_lack_is_an_error() -> None:
    values = to_map(ACCEPTOR)
    values["spool"]["deep"] = 1
    with pytest.raises(TypeError, match="SpoolSettings has no setting deep"):
        from_map(AcceptorSettings, values)


def test_an_acceptor_is_named_after_its_number() -> None:
    assert replace(ACCEPTOR, index=12).name == "acceptor-12"

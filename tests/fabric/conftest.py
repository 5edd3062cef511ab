"""A gateway to connect to: a run directory with a short path, and the same over TCP with CURVE."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fabric.other_host import OtherHost

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM = ("test_interventions", "test_notifications", "test_commands")
"""The tests between real sockets, which run over both transports."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "run_dir" in metafunc.fixturenames:
        of_system = metafunc.module.__name__.rpartition(".")[2] in SYSTEM
        is_local = metafunc.definition.get_closest_marker("this_host") is not None
        transports = ["ipc", "tcp"] if of_system and not is_local else ["ipc"]
        metafunc.parametrize("run_dir", transports, indirect=True)


@pytest.fixture
def run_dir(request: pytest.FixtureRequest) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fab-") as name:
        is_remote = getattr(request, "param", "ipc") == "tcp"
        yield OtherHost(name).prepare() if is_remote else Path(name)


@pytest.fixture
def other_host() -> Iterator[OtherHost]:
    with tempfile.TemporaryDirectory(prefix="fab-") as name:
        yield OtherHost(name).prepare()

"""What systemd is told, on a socket as systemd has one."""

from __future__ import annotations

import asyncio
import re
import socket
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.supervisor.service_manager import ServiceManager
from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import Iterator

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "dicom-gateway.service"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(WALL)
        receiver.bind(str(tmp_path / "notify"))
        yield receiver


def test_it_is_told_of_each_change(systemd: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_PID": "1", "HOME": "/"}
    manager = ServiceManager(environment)
    assert environment == {"HOME": "/"}  # children are not the main process
    manager.ready("revision 2")
    assert systemd.recv(4096) == b"READY=1\nSTATUS=revision 2"
    manager.reloading()
    assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", systemd.recv(4096))
    manager.stopping()
    assert systemd.recv(4096) == b"STOPPING=1"


def test_signs_of_life_come_from_the_event_loop(systemd: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "2000"})

    async def live() -> None:
        keeping = asyncio.create_task(manager.keep_alive())
        for _ in range(3):
            assert await asyncio.to_thread(systemd.recv, 4096) == b"WATCHDOG=1"
        keeping.cancel()

    asyncio.run(live())


def test_without_systemd_nothing_is_sent_and_nothing_runs(systemd: socket.socket) -> None:
    manager = ServiceManager({})
    manager.ready("ready")
    asyncio.run(manager.keep_alive())
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(4096)


def test_the_unit_says_what_the_program_does() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert " reload " in service["ExecReload"]
    assert int(service["WatchdogSec"]) > 0
    assert service["RestartPreventExitStatus"] == "2"

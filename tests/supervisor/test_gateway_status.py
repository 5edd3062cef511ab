"""What the status says of children that are silent but not replaced yet."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from gateway.free_space import FreeSpace
from gateway.settings import FabricSettings, Settings, SpoolSettings
from gateway.supervisor import gateway_status
from gateway.supervisor.child_keeper import ChildState
from gateway.supervisor.gateway_status import SILENT, GatewayStatus

if TYPE_CHECKING:
    from pathlib import Path


def acceptor(silent: float, *, is_watched: bool = True) -> Any:
    return SimpleNamespace(
        spec=SimpleNamespace(name="acceptor-0", settings={}),
        state=ChildState.READY,
        text="",
        facts={},
        heard=time.monotonic() - silent,
        is_watched=is_watched,
        child=None,
        restarts=0,
        last_end="",
    )


def reasons(keeper: Any, tmp_path: Path, **fabric: float) -> list[str]:
    settings = Settings(fabric=FabricSettings(**fabric), workers={})  # type: ignore[arg-type]
    found = GatewayStatus(settings, tmp_path, ("", 0), [keeper], []).as_map()["reasons"]
    return [one for one in found if not one.startswith("disk")]


@pytest.mark.parametrize("silent", [SILENT + 3, 100.0])
def test_a_silent_child_is_told_before_it_is_replaced(tmp_path: Path, silent: float) -> None:
    assert reasons(acceptor(silent), tmp_path) == [
        f"acceptor-0 gave no sign of life for {silent:.0f} s; after 15 s it is replaced"
    ]


def test_what_is_no_silence(tmp_path: Path) -> None:
    assert reasons(acceptor(1.0), tmp_path) == []
    assert reasons(acceptor(100.0, is_watched=False), tmp_path) == []
    assert reasons(acceptor(100.0), tmp_path, heartbeat=60.0) == []


def test_a_full_disk_is_told_in_units_that_a_person_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = FreeSpace("/data", 73_061_023_744, 270_553_174_016, None)
    monkeypatch.setattr(gateway_status, "free_space", lambda _: space)
    free = "73.1 GB of 270.6 GB are free on the disk of /data, less than"
    for spool, text in (
        (SpoolSettings(refuse_below=10**12), "spool.refuse_below (1.0 TB): associations to store"),
        (SpoolSettings(min_free=10**11), "spool.min_free (100.0 GB): C-STORE is answered with"),
    ):
        settings = Settings(spool=spool, workers={})
        (told,) = GatewayStatus(settings, tmp_path, ("", 0), [], []).as_map()["reasons"]
        assert told.startswith(f"disk: {free} {text}")

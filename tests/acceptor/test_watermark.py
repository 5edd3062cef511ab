"""Associations are refused while too little is free, and accepted again by themselves."""

from __future__ import annotations

import logging
import os
from types import SimpleNamespace

import pytest

from gateway.acceptor.watermark import Watermark

LIMIT = 1000


class Disks:
    """Free bytes by path, a clock, and how often was looked."""

    def __init__(self, **free: int) -> None:
        self.free = free
        self.now = 0.0
        self.looks = 0

    def statvfs(self, path: str) -> SimpleNamespace:
        self.looks += 1
        if path not in self.free:
            raise FileNotFoundError(path)
        return SimpleNamespace(f_bavail=self.free[path] // 10, f_frsize=10, f_blocks=900, f_files=0)


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    found = Disks(spool=5000, data=5000)
    monkeypatch.setattr(os, "statvfs", found.statvfs)
    return found


def mark(disks: Disks, *paths: str, refuse_below: int = LIMIT) -> Watermark:
    return Watermark(paths, refuse_below, lambda: disks.now)


@pytest.mark.parametrize("full", ["spool", "data"])
def test_either_disk_counts_and_it_recovers_by_itself(disks: Disks, full: str) -> None:
    watched = mark(disks, "spool", "data")
    assert not watched.is_passed
    disks.free[full] = LIMIT - 10
    disks.now = 1.0
    assert watched.is_passed
    disks.free[full] = LIMIT
    assert watched.is_passed
    disks.now = 2.0
    assert not watched.is_passed


def test_it_looks_once_a_second_at_the_most(disks: Disks) -> None:
    watched = mark(disks, "spool")
    for _ in range(100):
        assert not watched.is_passed
    disks.now = 0.9
    assert not watched.is_passed
    assert disks.looks == 1
    disks.now = 1.0
    assert not watched.is_passed
    assert disks.looks == 2


def test_zero_switches_it_off(disks: Disks) -> None:
    disks.free["spool"] = 0
    assert not mark(disks, "spool", refuse_below=0).is_passed
    assert disks.looks == 0


def test_a_directory_that_is_gone_has_no_space(disks: Disks) -> None:
    assert mark(disks, "spool", "unmounted").is_passed


def test_the_log_is_told_of_changes_only(disks: Disks, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watched = mark(disks, "spool", "data")
    for second, free in enumerate((5000, 10, 20, 30, 5000, 5000, 10)):
        disks.now, disks.free["data"] = float(second), free
        assert watched.is_passed == (free < LIMIT)
    assert [record.message for record in caplog.records] == [
        "associations that only store are refused: 10 bytes are free at data, "
        "spool.refuse_below is 1000",
        "associations to store are accepted again: 5000 bytes free at data",
        "associations that only store are refused: 10 bytes are free at data, "
        "spool.refuse_below is 1000",
    ]


def test_a_real_disk(tmp_path) -> None:
    found = os.statvfs(tmp_path)
    free = found.f_bavail * found.f_frsize
    assert not Watermark([str(tmp_path)], free // 2).is_passed
    assert Watermark([str(tmp_path)], free * 2).is_passed

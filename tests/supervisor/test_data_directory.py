"""The data directory: what an earlier gateway has left in it, whole or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.supervisor.data_directory import DataDirectory, find_running

if TYPE_CHECKING:
    from pathlib import Path

RUNNING = b'{"pid": %s, "address": %s, "ae_title": "A", "durability": "durable", "workers": %s}'


@pytest.mark.parametrize(
    "left",
    [
        b"",
        bytes(200),
        b"[" * 100_000,
        b"[]",
        RUNNING % (b"1", b"5", b"{}"),
        RUNNING % (b"1", b'["h", 1]', b"[7]"),
        RUNNING % (b"1", b'["h", 1]', b'{"storage-0": "7"}'),
        RUNNING % (b'"1"', b'["h", 1]', b"{}"),
    ],
)
def test_a_description_that_is_not_valid_is_none(tmp_path: Path, left: bytes) -> None:
    with DataDirectory.open(tmp_path) as directory:
        (tmp_path / "run" / "gateway.json").write_bytes(left)
        directory.wait_for_predecessor()
        assert find_running(tmp_path) is None

"""What other libraries encode anew is the instance that is stored already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import running
from tests.peers import reencoders
from tests.peers.process import run_cli
from tests.requestor.conftest import TEST_FILES
from workers.archive.index import SqliteIndex

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("CT_small", "MR_small", "JPEG2000", "SC_rgb_rle", "rtplan")
FILES = [TEST_FILES / f"{name}.dcm" for name in NAMES]


def conflicts(data: Path) -> int:
    with SqliteIndex(data / "archive/index.sqlite") as index:
        assert len(list(index.everything())) == len(FILES)
        return len(index.conflicts())


@pytest.mark.parametrize(
    ("send", "others"),
    [
        pytest.param(reencoders.odil, 0, marks=pytest.mark.peer("odil")),
        # dcmjs-dimse leaves private elements of CT_small and JPEG2000 out: that is other content.
        pytest.param(reencoders.dcmjs, 2, marks=pytest.mark.peer("dcmjs-dimse")),
    ],
)
def test_what_is_encoded_anew_is_no_conflict(send, others):
    with running() as gateway:
        program = run_cli("store", *gateway.address, *FILES)
        assert program.popen.returncode == 0, program.report()
        send(gateway.address, FILES)
        assert conflicts(gateway.data) == others

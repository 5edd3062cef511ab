"""The progress of a C-GET or C-MOVE in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from gateway.cli.output import Output
from gateway.cli.retrieval import RetrieveProgress

if TYPE_CHECKING:
    from gateway.association.operation import ReceivedResponse


def pending(**numbers: int) -> ReceivedResponse:
    names = {f"number_of_{name}_suboperations": number for name, number in numbers.items()}
    return SimpleNamespace(response=SimpleNamespace(**names))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ({"remaining": 0, "failed": 11}, "0 of 11 moved, 11 failed"),
        ({"remaining": 4, "completed": 5, "warning": 1, "failed": 1}, "6 of 11 moved, 1 failed"),
        ({"remaining": 10, "completed": 1}, "1 of 11 moved"),
    ],
)
def test_only_what_was_done_is_counted_as_done(numbers, line, capsys) -> None:
    RetrieveProgress(Output(False), "moved")._pending(pending(**numbers))
    assert capsys.readouterr().out == f"{line}\n"

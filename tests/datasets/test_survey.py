"""What a peer is sent in place of a file: as it is, as dcmconv converts it, or nothing.

`python -m tests.bench convert --survey` tells the sums, with 2,000 variations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.datasets.survey import Sent, pydicoms_files, survey_of_files, survey_of_variations

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.survey import Survey

pytestmark = pytest.mark.peer("dcmtk")

PARTS = 8


def tell(survey: Survey, record_property) -> None:
    for sent in Sent:
        record_property(sent.name.lower(), survey.sums[sent])
    assert survey.differences == []


@pytest.mark.parametrize("part", range(PARTS))
def test_pydicoms_files(part: int, tmp_path: Path, record_property) -> None:
    survey = survey_of_files(tmp_path, pydicoms_files()[part::PARTS])
    tell(survey, record_property)
    assert survey.sums[Sent.KEPT] == 0


def test_variations_of_them(tmp_path: Path, record_property) -> None:
    survey = survey_of_variations(tmp_path, 100)
    tell(survey, record_property)
    assert all(survey.sums[sent] for sent in Sent if sent is not Sent.DIFFERENT)

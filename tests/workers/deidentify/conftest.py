"""pydicom as the worker has it: values are not validated, and warnings do not quote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydicom import config

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def lenient() -> Iterator[None]:
    before = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.IGNORE
    yield
    config.settings.reading_validation_mode = before

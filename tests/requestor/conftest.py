"""pydicom's own test files: real data sets of every kind."""

from __future__ import annotations

from pathlib import Path

import pydicom

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"

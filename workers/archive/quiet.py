"""pydicom's warnings quote values of data sets, and no patient's name belongs into a log."""

from __future__ import annotations

import logging
import warnings

import pydicom.config


def quieten() -> None:
    """For this process: pydicom reads what it can, and says nothing about the rest."""
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom(\..*)?$")

"""pydicom's validation of values, switched off for a process (needs pydicom)."""

from __future__ import annotations

import logging
import warnings

from pydicom import config


def disable_validation(*, writing: bool = False) -> None:
    """Make pydicom read, and with `writing` also write, whatever values a data set has.

    Its warnings about a value are silenced too: they quote it, and no patient data may get into a
    log.
    """
    config.settings.reading_validation_mode = config.IGNORE
    if writing:
        config.settings.writing_validation_mode = config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom(\..*)?$")

"""`debug_logger`, which shows the log without further configuration."""

from __future__ import annotations

import logging


def debug_logger() -> None:
    """Log everything to standard error, from servers that are started afterwards too."""
    logger = logging.getLogger("gateway")
    logger.setLevel(logging.DEBUG)
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname).1s: %(name)s: %(message)s"))
        logger.addHandler(handler)

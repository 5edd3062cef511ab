"""`gateway.facade.config_flags` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import config_flags

if TYPE_CHECKING:
    from gateway.facade.config_flags import *  # noqa: F403 - for type checkers

sys.modules[__name__] = config_flags

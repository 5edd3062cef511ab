"""`gateway.facade.data_set_tools` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import data_set_tools

if TYPE_CHECKING:
    from gateway.facade.data_set_tools import *  # noqa: F403 - for type checkers

sys.modules[__name__] = data_set_tools

"""`gateway.facade.uid_and_byte_tools` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import uid_and_byte_tools

if TYPE_CHECKING:
    from gateway.facade.uid_and_byte_tools import *  # noqa: F403 - for type checkers

sys.modules[__name__] = uid_and_byte_tools

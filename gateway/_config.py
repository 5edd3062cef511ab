"""`gateway.facade.flags` under a name that pynetdicom has for it: one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import flags

if TYPE_CHECKING:
    from gateway.facade.flags import *  # noqa: F403 - for type checkers

sys.modules[__name__] = flags

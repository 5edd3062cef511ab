"""`gateway.facade.status` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import status

if TYPE_CHECKING:
    from gateway.facade.status import *  # noqa: F403 - for type checkers
    from gateway.facade.status import __getattr__ as __getattr__

sys.modules[__name__] = status

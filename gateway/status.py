"""`gateway.facade.status_codes` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import status_codes

if TYPE_CHECKING:
    from gateway.facade.status_codes import *  # noqa: F403 - for type checkers
    from gateway.facade.status_codes import __getattr__ as __getattr__

sys.modules[__name__] = status_codes

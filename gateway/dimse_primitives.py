"""`gateway.facade.request_types` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import request_types

if TYPE_CHECKING:
    from gateway.facade.request_types import *  # noqa: F403 - for type checkers
    from gateway.facade.request_types import __getattr__ as __getattr__

sys.modules[__name__] = request_types

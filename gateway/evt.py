"""`gateway.sdk.evt` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.sdk import evt

if TYPE_CHECKING:
    from gateway.sdk.evt import *  # noqa: F403 - for type checkers
    from gateway.sdk.evt import __getattr__ as __getattr__

sys.modules[__name__] = evt

"""`gateway.sdk.event_names` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.sdk import event_names

if TYPE_CHECKING:
    from gateway.sdk.event_names import *  # noqa: F403 - for type checkers
    from gateway.sdk.event_names import __getattr__ as __getattr__

sys.modules[__name__] = event_names

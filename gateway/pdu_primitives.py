"""`gateway.facade.negotiation_items` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import negotiation_items

if TYPE_CHECKING:
    from gateway.facade.negotiation_items import *  # noqa: F403 - for type checkers

sys.modules[__name__] = negotiation_items

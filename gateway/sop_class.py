"""`gateway.facade.sop_class` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import sop_class

if TYPE_CHECKING:
    from gateway.facade.sop_class import *  # noqa: F403 - for type checkers
    from gateway.facade.sop_class import __getattr__ as __getattr__

sys.modules[__name__] = sop_class

"""`gateway.facade.sop_classes` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import sop_classes

if TYPE_CHECKING:
    from gateway.facade.sop_classes import *  # noqa: F403 - for type checkers
    from gateway.facade.sop_classes import __getattr__ as __getattr__

sys.modules[__name__] = sop_classes

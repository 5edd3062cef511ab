"""`gateway.facade.service_classes` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import service_classes

if TYPE_CHECKING:
    from gateway.facade.service_classes import *  # noqa: F403 - for type checkers
    from gateway.facade.service_classes import __getattr__ as __getattr__

sys.modules[__name__] = service_classes

"""`gateway.facade.service_class` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import service_class

if TYPE_CHECKING:
    from gateway.facade.service_class import *  # noqa: F403 - for type checkers
    from gateway.facade.service_class import __getattr__ as __getattr__

sys.modules[__name__] = service_class

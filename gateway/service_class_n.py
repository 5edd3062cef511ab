"""`gateway.facade.service_classes` under a name that pynetdicom has for it: one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import service_classes

if TYPE_CHECKING:
    from gateway.facade.service_classes import *  # noqa: F403 - for type checkers

sys.modules[__name__] = service_classes

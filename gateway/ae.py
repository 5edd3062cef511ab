"""`gateway.facade.entity` under a name that pynetdicom has for it: one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import entity

if TYPE_CHECKING:
    from gateway.facade.entity import *  # noqa: F403 - for type checkers

sys.modules[__name__] = entity

"""`gateway.facade.presentation_contexts` under a name that pynetdicom has for it: one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import presentation_contexts

if TYPE_CHECKING:
    from gateway.facade.presentation_contexts import *  # noqa: F403 - for type checkers

sys.modules[__name__] = presentation_contexts

"""`gateway.facade.presentation_contexts` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import presentation_contexts

if TYPE_CHECKING:
    from gateway.facade.presentation_contexts import *  # noqa: F403 - for type checkers
    from gateway.facade.presentation_contexts import __getattr__ as __getattr__

sys.modules[__name__] = presentation_contexts

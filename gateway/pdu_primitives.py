"""`gateway.facade.pdu_primitives` under its public name: both names mean one module."""

import sys
from typing import TYPE_CHECKING

from gateway.facade import pdu_primitives

if TYPE_CHECKING:
    from gateway.facade.pdu_primitives import *  # noqa: F403 - for type checkers

sys.modules[__name__] = pdu_primitives

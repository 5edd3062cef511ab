from __future__ import annotations

from hypothesis import settings

settings.register_profile("dimse", deadline=None)
settings.load_profile("dimse")

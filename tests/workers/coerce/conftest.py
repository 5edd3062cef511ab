from __future__ import annotations

import pytest

from gateway.sdk import WorkerContext, testing
from gateway.settings import to_map
from workers.coerce.coerce_worker import Coercer, worker


@pytest.fixture
def coerced(tmp_path):
    """Ask the worker with these rules what to keep."""

    def ask(instance, *rules, noted=None, **peer):
        """Ask; `noted`: the Modifying System, if Original Attributes Sequence is wanted."""
        table = {"rules": [to_map(rule) for rule in rules]}
        if noted is not None:
            table |= {"original_attributes": True, "modifying_system": noted}
        worker.context = WorkerContext(tmp_path, options={"coerce": table})
        coercer = Coercer()
        coercer.start()
        return testing.transform(coercer.transform, instance, **peer)

    return ask

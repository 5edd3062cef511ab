"""Runs loads in this process's coordinator, with real children."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema
import pytest

from gateway.load.coordinator import Coordinator
from gateway.load.instance_identity import new_root
from gateway.load.load_plan import Plan
from tests.patience import WALL

if TYPE_CHECKING:
    from gateway.load.result import LoadResult

WHOLE_RUN = WALL
"""Seconds; far more than any of these loads takes."""


def validate(document: dict) -> None:
    """Against the published schema."""
    schema = json.loads(files("gateway.load").joinpath("report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(document)))


@pytest.fixture
def load():
    """Runs a plan; its document is checked against the schema each time."""

    def run(port: int, *, journals=None, objectives=(), **options: object) -> LoadResult:
        defaults = {"operation": "echo", "timeout": 10.0, "root": new_root(), "seed": 1}
        plan = Plan("127.0.0.1", port, **{**defaults, **options})

        async def work() -> LoadResult:
            coordinator = Coordinator(plan, lambda _: None, print, journals)
            coordinator.result.objectives = objectives
            return await asyncio.wait_for(coordinator.run(), WHOLE_RUN)

        result = asyncio.run(work())
        validate(result.document())
        return result

    return run

"""Remove what a load has stored from the archive of a gateway on this host: `load --cleanup`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.load.load_plan import Plan
    from gateway.load.result import Cleanup

_AT_ONCE = 1000
"""UIDs of one command: a command line has a limit."""


async def clean_up(plan: Plan, journals: Path, data: Path) -> Cleanup:
    """Remove the studies of a load by `archive rm`, which is a command of another package."""
    from gateway.load.journal import read
    from gateway.load.result import Cleanup

    result = Cleanup()
    files = sorted(await asyncio.to_thread(lambda: [*journals.iterdir()]))
    studies = sorted({one.study_uid(plan.root) for one in read(files)})
    for first in range(0, len(studies), _AT_ONCE):
        removed, why = await _remove(data, studies[first : first + _AT_ONCE])
        result.removed += removed
        result.failure = result.failure or why
    return result


async def _remove(data: Path, studies: list[str]) -> tuple[int, str]:
    """Return how many instances were removed, and why not, if the command failed."""
    command = (sys.executable, "-m", "gateway", "archive", "rm", "--json", "--data", str(data))
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, *studies, stdout=pipe, stderr=pipe)
    output, errors = await child.communicate()
    lines = [json.loads(line) for line in output.splitlines()]
    summary = next((line for line in lines if line.get("event") == "summary"), None)
    if summary is None:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        return 0, last or f"archive rm: exit status {child.returncode}"
    return int(summary["removed"]), "" if summary["found"] else f"nothing of this load is in {data}"

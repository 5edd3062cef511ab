"""What the SDK tells a worker of the gateway that it works for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What a running worker knows of the gateway that it works for."""

    data_dir: Path
    """Where the gateway keeps its data; a worker makes its own folder below it."""
    durable: bool = True
    """False: `durability = "written"`, nothing needs to be synced."""
    options: dict[str, Any] = field(default_factory=dict)
    """The worker's own table of the configuration, `[workers.NAME]`, but for what starts it."""
    member: int = 0
    """The number of this process among the worker's processes: 0, 1, ..."""

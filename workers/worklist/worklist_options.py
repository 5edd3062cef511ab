"""The options of `[workers.worklist]`: the one source of its items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError
from workers.archive.worker_options import options_of
from workers.worklist.worklist_database import database_options

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class WorklistOptions:
    """The options of `[workers.worklist]`, of which one names the source."""

    folder: str = ""
    """The path of worklist files."""
    database: dict[str, Any] | None = None
    """A table; see `DatabaseOptions`."""
    hook: str = ""
    """A function of the site, as "module:function"."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> WorklistOptions:
        """Return the options of the table; raises ConfigError for one that is wrong."""
        found = options_of(cls, options, "worklist")
        sources = {"folder": found.folder, "database": found.database, "hook": found.hook}
        given = [name for name, value in sources.items() if value not in (None, "")]
        if len(given) != 1:
            raise ConfigError(
                "worklist: it needs a folder, the path of the worklist's files, or a database, or "
                "a hook" + (f"; not {' and '.join(given)}" if given else "")
            )
        if found.hook and not all(found.hook.partition(":")):
            raise ConfigError(f'worklist: hook = {found.hook!r}: it must be "module:function"')
        return found


def check_options(options: Mapping[str, Any], _destinations: Collection[str]) -> None:
    """Raise ConfigError for an option that is wrong."""
    found = WorklistOptions.of(options)
    if found.database is not None:
        database_options(found.database)

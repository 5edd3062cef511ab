"""Orders of the supervisor to a child that runs: a new configuration, in two steps.

The supervisor sends the settings of a revision, `{"check": SETTINGS, "revision": N}`. The child
makes everything of them that can fail, and reports `{"checked": N, "refused": TEXT}`; the text is
empty if the settings are valid. Only when every child has agreed follows `{"apply": N}`, which
cannot fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable

    Report: TypeAlias = Callable[..., None]
    Prepare: TypeAlias = Callable[[dict[str, Any]], Callable[[], None]]


class ReloadOrders:
    """What a child does with these orders.

    `prepare` returns a function that applies the settings; it raises GatewayError or OSError if
    they cannot be used here.
    """

    def __init__(self, revision: int, report: Report, prepare: Prepare) -> None:
        self.revision = revision
        """The revision of the configuration that is in force here."""
        self._report = report
        self._prepare = prepare
        self._prepared: tuple[int, Callable[[], None]] | None = None

    def take(self, order: dict[str, Any]) -> None:
        """Obey an order; ignore one that is about something else."""
        match order:
            case {"check": dict(settings), "revision": int(revision)}:
                self._check(settings, revision)
            case {"apply": int(revision)} if self._prepared and self._prepared[0] == revision:
                self._prepared[1]()
                self._prepared = None
                self.revision = revision
                self._report(applied=revision)

    def _check(self, settings: dict[str, Any], revision: int) -> None:
        refused = ""
        try:
            self._prepared = revision, self._prepare(settings)
        except (GatewayError, OSError) as error:
            refused = str(error) or type(error).__name__
        self._report(checked=revision, refused=refused)

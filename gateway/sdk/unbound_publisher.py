"""Publish a notification that is about no association."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.events import NotificationEvent


@dataclass(frozen=True, slots=True)
class UnboundPublisher:
    """Publishes through one acceptor that has watchers: a watcher listens to all of them."""

    acceptors: Callable[[], Sequence[str]]
    is_watched: Callable[[str, str], bool]
    """Returns whether an acceptor has watchers of a topic."""
    publish: Callable[[str, bytes, str, dict[str, Any]], None]

    def __call__(self, event: NotificationEvent | str, body: Mapping[str, Any]) -> None:
        """Send a notification without waiting; it is dropped where nobody watches."""
        topic = str(event)
        for acceptor in self.acceptors():
            if self.is_watched(acceptor, topic):
                self.publish(acceptor, b"", topic, dict(body))
                return

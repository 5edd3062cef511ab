"""Handlers of the simplest kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def returning(value: Any) -> Callable[[Any], Any]:
    """Return a handler that returns this."""
    return lambda event: value


def yielding(*values: Any) -> Callable[[Any], Iterator[Any]]:
    """Return a handler that yields these; one that is an exception is raised."""

    def handler(event: Any) -> Iterator[Any]:
        for value in values:
            if isinstance(value, Exception):
                raise value
            yield value

    return handler

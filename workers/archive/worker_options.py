"""The options of a worker as a dataclass with their defaults."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.sdk import ConfigError
from gateway.settings import WORKER_TABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

T = TypeVar("T")

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list",
    dict: "a table",
}


def options_of(kind: type[T], options: Mapping[str, Any], worker: str) -> T:
    """Return the options of `[workers.NAME]` as `kind`; raises ConfigError for a wrong one.

    The tables of the configuration that an installed worker gets beside its options are left out.
    """
    known: dict[str, Any] = {one.name: one.default for one in fields(kind)}  # type: ignore[arg-type]
    given = {
        name: value for name, value in options.items() if name in known or name not in WORKER_TABLES
    }
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f"{worker}: there is no option {name!r}; known: {', '.join(known)}")
        expected = dict if known[name] is None else type(known[name])
        if not _fits(value, expected):
            words = _WORDS.get(expected, f"a {expected.__name__}")
            raise ConfigError(f"{worker}: {name} = {value!r}: it must be {words}")
        if isinstance(value, int | float) and value < 0:
            raise ConfigError(f"{worker}: {name} = {value!r}: it must not be negative")
    return kind(**{name: _as(value, type(known[name])) for name, value in given.items()})


def check_none(options: Mapping[str, Any], _destinations: Collection[str]) -> None:
    """Raise ConfigError if a worker that has no options is given one."""
    if options:
        raise ConfigError(
            f"there is no option {min(options)!r}: this worker has none; what can be set about it "
            "is in tables of their own"
        )


def _fits(value: Any, expected: type) -> bool:
    if expected is bool or isinstance(value, bool):
        return expected is bool and isinstance(value, bool)
    if expected is float:
        return isinstance(value, int | float)
    return isinstance(value, list if expected is tuple else expected)


def _as(value: Any, expected: type) -> Any:
    return tuple(value) if expected is tuple else value

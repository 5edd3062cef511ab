"""The routes of `[[routes]]`: where a stored instance is sent, and what is wrong with them.

`check_routes` names what cannot be meant: a condition that no instance fulfils, a destination that
is not there, and two routes that send the same instances to one destination in different ways.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.errors import ConfigError
from gateway.route_language import Condition, Either, Every, Not, ValueTest, names_in, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from gateway.worker_settings import ForwardRoute

_MOST_TERMS = 256
"""Alternatives of a condition that are examined; a longer one is taken for one that can hold."""
_HOOK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """A route with its condition."""

    number: int
    """Of the route in the configuration, from 1."""
    route: ForwardRoute
    condition: Condition

    @property
    def title(self) -> str:
        """The name of the route, or else its number."""
        return self.route.name or f"route {self.number}"

    @property
    def names(self) -> frozenset[str]:
        """The names that its condition mentions."""
        return names_in(self.condition)


def compile_routes(routes: Sequence[ForwardRoute]) -> tuple[CompiledRoute, ...]:
    """Return the routes with their conditions; raise ConfigError, which names the wrong one."""
    found = []
    for number, route in enumerate(routes, 1):
        try:
            found.append(CompiledRoute(number, route, parse(route.when)))
        except ConfigError as error:
            raise ConfigError(f"routes[{number}].when = {route.when!r}: {error}") from None
    return tuple(found)


def check_routes(routes: Sequence[ForwardRoute], destinations: Collection[str]) -> list[str]:
    """Return warnings about routes; raise ConfigError for what cannot be meant."""
    compiled = compile_routes(routes)
    titles: dict[str, int] = {}
    for one in compiled:
        _check_route(one, destinations)
        if one.title in titles:
            raise ConfigError(
                f"routes[{one.number}].name = {one.title!r} is the name of "
                f"routes[{titles[one.title]}] too: give it another one"
            )
        titles[one.title] = one.number
    return [text for pair in itertools.combinations(compiled, 2) for text in _compare(*pair)]


def _check_route(one: CompiledRoute, destinations: Collection[str]) -> None:
    place, route = f"routes[{one.number}]", one.route
    if not route.destinations and not route.hook:
        raise ConfigError(f"{place}.destinations is empty: name one of [destinations], or a hook")
    for name in route.destinations:
        if name not in destinations:
            known = ", ".join(sorted(destinations)) or "nothing"
            raise ConfigError(
                f"{place}.destinations: there is no {name!r} in [destinations], which has {known}"
            )
    if len(set(route.destinations)) < len(route.destinations):
        raise ConfigError(f"{place}.destinations names one destination twice")
    if len(set(route.transform)) < len(route.transform):
        raise ConfigError(f"{place}.transform names one worker twice")
    if route.hook and not _HOOK.fullmatch(route.hook):
        raise ConfigError(f"{place}.hook = {route.hook!r}: it must be MODULE:FUNCTION")
    conflicts = [conflict_in(term) for term in terms_of(one.condition)]
    if all(conflicts):
        raise ConfigError(f"{place}.when = {route.when!r} matches nothing: {conflicts[0]}")


def _compare(first: CompiledRoute, second: CompiledRoute) -> Iterator[str]:
    """Yield how two routes contradict or repeat each other."""
    if first.condition != second.condition:
        return
    common = sorted(set(first.route.destinations) & set(second.route.destinations))
    if not common:
        return
    ways = [(one.route.priority, one.route.delay) for one in (first, second)]
    transforms = [one.route.transform for one in (first, second)]
    what = f"routes[{second.number}] sends the same instances to {', '.join(common)} as "
    what += f"routes[{first.number}]"
    if transforms[0] != transforms[1]:
        yield f"{what}, with another transform, which contradicts it: one with a transform counts"
    elif ways[0] != ways[1]:
        yield f"{what}, with another priority or delay, which contradicts it: the first one counts"
    else:
        yield f"{what}: it is not needed"


Term = tuple[tuple[ValueTest, bool], ...]
"""Comparisons that must all hold, or not hold."""


def terms_of(condition: Condition, *, holds: bool = True) -> list[Term]:
    """Return the alternatives of a condition, each of comparisons.

    A part that has too many of them is taken for one that may hold.
    """
    match condition:
        case ValueTest():
            return [((condition, holds),)]
        case Not():
            return terms_of(condition.inner, holds=not holds)
        case Every() | Either():
            parts = [terms_of(part, holds=holds) for part in condition.parts]
            if isinstance(condition, Either) == holds:
                found = [term for part in parts for term in part]
            else:
                products = itertools.islice(itertools.product(*parts), _MOST_TERMS + 1)
                found = [tuple(itertools.chain.from_iterable(one)) for one in products]
            return found if len(found) <= _MOST_TERMS else [()]


def conflict_in(term: Term) -> str:
    """Return why comparisons cannot all be fulfilled; empty: they can, as far as this tells."""
    by_name: dict[str, list[tuple[ValueTest, bool]]] = {}
    for comparison, holds in term:
        by_name.setdefault(comparison.name, []).append((comparison, holds))
    for several in by_name.values():
        if text := _conflict(several):
            return text
    return ""


def _conflict(several: Sequence[tuple[ValueTest, bool]]) -> str:
    wanted = [one for one, holds in several if holds]
    for one, holds in several:
        if not holds and (one in wanted or (one.sign == "present" and wanted)):
            return f"{wanted[0]} and not {one} exclude each other"
    exact = [one for one in wanted if one.sign in ("==", "in") and one.name != "address"]
    for one in exact:
        if not any(all(_fits(value, *other) for other in several) for value in one.values):
            others = " and ".join(str(c) if h else f"not {c}" for c, h in several if c is not one)
            return f"{one} and {others} exclude each other"
    return ""


def _fits(value: str, comparison: ValueTest, holds: bool) -> bool:
    return comparison.holds({comparison.name: value}) is holds


def matching_routes(
    compiled: Sequence[CompiledRoute], facts: Mapping[str, str]
) -> Iterator[CompiledRoute]:
    """Yield the routes whose condition holds for an instance, in their order."""
    return (one for one in compiled if one.condition.holds(facts))

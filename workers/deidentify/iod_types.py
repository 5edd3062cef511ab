"""Whether an IOD demands an attribute or its value: for the actions X/Z, X/D, Z/D and X/Z/D.

Such an action is X unless the IOD has the attribute as type 2 (then Z) or type 1 (then D), also if
that depends on a condition. In items of sequences, and in SOP classes that `iod_types.tsv` does
not know, the strictest type of any IOD counts: a value too many makes no instance invalid.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from typing import NamedTuple

from workers.deidentify.action_table import AttributeAction

_SHORT = "~"
_PREFIX = "1.2.840.10008.5.1.4."
_CLASSES = "SOP classes"
ABSENT = 3
"""The type of an attribute that is optional, or not in the IOD."""


class AttributeTypes(NamedTuple):
    """The types that an attribute has in the IODs: 1, 2 or 3."""

    nested: int
    strictest: int
    first: frozenset[str]
    """SOP classes in which it is of type 1."""
    second: frozenset[str]

    def of(self, sop_class: str, *, is_nested: bool) -> int:
        """Return the type in instances of a SOP class."""
        if is_nested:
            return self.nested
        if sop_class not in _table()[1]:
            return self.strictest
        return 1 if sop_class in self.first else 2 if sop_class in self.second else ABSENT


@cache
def _table() -> tuple[dict[str, AttributeTypes], frozenset[str]]:
    text = pkgutil.get_data("workers.deidentify", "iod_types.tsv")
    assert text is not None
    found: dict[str, AttributeTypes] = {}
    known: frozenset[str] = frozenset()
    for line in text.decode().splitlines():
        keyword, *rest = line.split("\t")
        if keyword == _CLASSES:
            known = _uids(rest[0])
        elif keyword[:1] != "#":
            nested, strictest, first, second = rest
            types = int(nested), int(strictest), _uids(first), _uids(second)
            found[keyword] = AttributeTypes(*types)
    return found, known


def _uids(text: str) -> frozenset[str]:
    return frozenset(one.replace(_SHORT, _PREFIX) for one in text.split())


def decide(actions: str, keyword: str, sop_class: str, *, is_nested: bool) -> AttributeAction:
    """Return the action that several, such as X/Z/D, come to for an attribute of a data set."""
    if "/" not in actions:
        return AttributeAction(actions)
    types = _table()[0].get(keyword)
    kind = 1 if types is None else types.of(sop_class, is_nested=is_nested)
    if "X" in actions and kind == ABSENT:
        return AttributeAction.REMOVE
    if "Z" in actions and (kind != 1 or ("D" not in actions and "U" not in actions)):
        return AttributeAction.EMPTY
    return AttributeAction.KEEP if "U" in actions else AttributeAction.DUMMY

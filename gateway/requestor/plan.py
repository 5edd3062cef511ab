"""The presentation contexts and associations that a set of instances needs.

Each SOP class is proposed in each transfer syntax at hand, in a context of its own, because a peer
accepts one transfer syntax of a context: what it takes then goes out as it is. If one of them is
uncompressed, another context of the same SOP class offers the other uncompressed ones, to which the
instances can be converted if the peer accepts nothing else.

An association has at most 128 contexts (PS3.8 9.3.2.2). SOP classes that do not fit beside the
others are left to a further association; none of them loses a context.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from gateway.datasets import UNCOMPRESSED
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
from gateway.ul.negotiation import MAX_CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.datasets.instances import Instance
    from gateway.requestor.proposal import Contexts

Pair: TypeAlias = tuple[str, str]
"""SOP class and transfer syntax."""

_OFFERED = tuple(s for s in UNCOMPRESSED if s != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)


@dataclass(slots=True)
class Batch:
    """Instances whose contexts fit on one association."""

    contexts: Contexts = ()
    instances: deque[Instance] = field(default_factory=deque)


def plan(
    instances: Iterable[Instance], *, convert: bool = True, limit: int = MAX_CONTEXTS
) -> list[Batch]:
    """Return batches of all the instances; those of one SOP class stay together, in order."""
    by_class: dict[str, list[Instance]] = {}
    for instance in instances:
        by_class.setdefault(instance.sop_class_uid, []).append(instance)
    batches: list[Batch] = []
    for sop_class, members in by_class.items():
        syntaxes = (member.transfer_syntax_uid for member in members)
        contexts = _contexts(sop_class, syntaxes, convert=convert)
        if not batches or len(batches[-1].contexts) + len(contexts) > limit:
            batches.append(Batch())
        batches[-1].contexts += contexts
        batches[-1].instances.extend(members)
    return batches


def contexts_of(pairs: Iterable[Pair], *, limit: int = MAX_CONTEXTS) -> Contexts:
    """Return the contexts for instances of these SOP classes and transfer syntaxes.

    Those that come first are the last to be left out, if all of them do not fit.
    """
    by_class: dict[str, list[str]] = {}
    for sop_class, syntax in pairs:
        by_class.setdefault(sop_class, []).append(syntax)
    found: Contexts = ()
    for sop_class, syntaxes in by_class.items():
        contexts = _contexts(sop_class, syntaxes, convert=True)
        if len(found) + len(contexts) <= limit:
            found += contexts
    return found


def _contexts(sop_class: str, syntaxes: Iterable[str], *, convert: bool) -> Contexts:
    own = dict.fromkeys(syntaxes)
    contexts: list[tuple[str, tuple[str, ...]]] = [(sop_class, (syntax,)) for syntax in own]
    others = tuple(syntax for syntax in _OFFERED if syntax not in own)
    if convert and others and any(syntax in UNCOMPRESSED for syntax in own):
        contexts.append((sop_class, others))
    return tuple(contexts)

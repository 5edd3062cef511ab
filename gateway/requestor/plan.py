"""The presentation contexts and associations that a set of instances needs.

Each instance is proposed in its own transfer syntax. If that is uncompressed, another context of
the same SOP class offers the other uncompressed ones, to which the instance can be converted if the
peer accepts nothing else. An association has at most 128 contexts (PS3.8 9.3.2.2).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.datasets import UNCOMPRESSED
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
from gateway.ul.negotiation import MAX_CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.datasets.instances import Instance

_OFFERED = tuple(s for s in UNCOMPRESSED if s != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)


@dataclass(slots=True)
class Batch:
    """Instances whose contexts fit on one association."""

    contexts: tuple[tuple[str, tuple[str, ...]], ...] = ()
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
        contexts = _contexts(sop_class, members, convert=convert)
        if not batches or len(batches[-1].contexts) + len(contexts) > limit:
            batches.append(Batch())
        batches[-1].contexts += contexts
        batches[-1].instances.extend(members)
    return batches


def _contexts(
    sop_class: str, members: list[Instance], *, convert: bool
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    own = dict.fromkeys(member.transfer_syntax_uid for member in members)
    contexts: list[tuple[str, tuple[str, ...]]] = [(sop_class, (syntax,)) for syntax in own]
    others = tuple(syntax for syntax in _OFFERED if syntax not in own)
    if convert and others and any(syntax in UNCOMPRESSED for syntax in own):
        contexts.append((sop_class, others))
    return tuple(contexts)

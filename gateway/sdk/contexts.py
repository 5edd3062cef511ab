"""Which presentation context a message goes out on, and how a data set is encoded for it."""

from __future__ import annotations

from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.dimse.services import META_SOP_CLASSES
from gateway.errors import GatewayError
from gateway.requestor.files import Instance, identify
from gateway.sdk import dataset
from gateway.spool import Claim
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    KEYWORDS,
    name_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydicom.dataset import Dataset

UNCOMPRESSED = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)
"""Transfer syntaxes that a data set may be changed between, best first."""

_UPS_PUSH = KEYWORDS["UnifiedProcedureStepPush"]
_UPS = frozenset(KEYWORDS[f"UnifiedProcedureStep{n}"] for n in ("Pull", "Watch", "Event", "Query"))
"""What an instance of UPS Push may be negotiated as (PS3.4 CC.3.1.1)."""


class NoContext(GatewayError, ValueError):  # noqa: N818 - a state, not only an error
    """No accepted presentation context fits; the text says what was looked for."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted presentation context, as far as choosing goes."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


def find(accepted: Iterable[Accepted], sop_class: str, meta: str | None = None) -> Accepted:
    """The context that messages of a SOP class go out on; raises NoContext.

    `meta`: the meta SOP class that was negotiated in its place.
    """
    wanted = [meta or sop_class]
    if meta is None:
        wanted += [uid for uid, carried in META_SOP_CLASSES.items() if sop_class in carried]
        wanted += sorted(_UPS) if sop_class == _UPS_PUSH else []
    by_syntax: dict[str, Accepted] = {}
    for context in accepted:
        by_syntax.setdefault(context.abstract_syntax, context)
    for uid in wanted:
        if uid in by_syntax:
            return by_syntax[uid]
    raise NoContext(f"no presentation context for {name_of(wanted[0])} is accepted in this role")


def find_exact(accepted: Iterable[Accepted], sop_class: str, syntax: str) -> Accepted | None:
    """The context for instances that are sent as they are."""
    for context in accepted:
        if (context.abstract_syntax, context.transfer_syntax) == (sop_class, syntax):
            return context
    return None


def encode_for(attached: Dataset, accepted: Sequence[Accepted]) -> tuple[Accepted, Instance]:
    """A data set encoded for the best context of its SOP class.

    Raises NoContext, or what pydicom raises for a data set without UIDs or with values that cannot
    be written.
    """
    sop_class, instance = str(attached.SOPClassUID), str(attached.SOPInstanceUID)
    own = syntax_of(attached)
    syntaxes = (own, *(UNCOMPRESSED if own in UNCOMPRESSED else ()))
    for syntax in syntaxes:
        if (context := find_exact(accepted, sop_class, syntax)) is not None:
            encoded = dataset.encode(attached, syntax)
            return context, Instance(sop_class, instance, syntax, len(encoded), data=encoded)
    raise NoContext(
        f"no presentation context for {name_of(sop_class)} in {name_of(own)} is accepted"
    )


def syntax_of(attached: Dataset) -> str:
    """The transfer syntax that the values of a data set are in."""
    meta = getattr(attached, "file_meta", None)
    named = getattr(meta, "TransferSyntaxUID", None)
    if named:
        return str(named)
    implicit, little = attached.original_encoding
    if little is False:
        return EXPLICIT_VR_BIG_ENDIAN
    return IMPLICIT_VR_LITTLE_ENDIAN if implicit else EXPLICIT_VR_LITTLE_ENDIAN


def is_file(value: Any) -> bool:
    """Something that is sent without decoding it."""
    return isinstance(value, Claim | str | Path) or hasattr(value, "__fspath__")


def path_of(file: Any) -> Path:
    """Where a file or claim lies; raises GatewayError for a claim whose data are in no file."""
    if isinstance(file, Claim):
        if file.path is None:
            raise GatewayError("the data of this claim are in no file")
        return Path(file.path)
    return Path(fspath(file))


def instance_in(file: Any) -> Instance:
    """The instance of a file or claim; raises GatewayError, or OSError."""
    return identify(path_of(file))

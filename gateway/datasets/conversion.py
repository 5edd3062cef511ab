"""Instances made to fit an accepted presentation context (needs pydicom).

An instance in one of the uncompressed transfer syntaxes can be sent in another of them. Conversion
decodes the whole data set with pydicom and encodes it again:

Preserved: the elements and their values, the spelling of numbers as text, and whether a sequence
has a defined length. The words of OW, OL, OF, OD and OV follow the byte order of the data set.

Not preserved:

- Retired group lengths are dropped, and padding beyond an even length is.
- Bytes of text that the Specific Character Set does not have become replacement characters.
- From implicit VR, the VR is that of pydicom's dictionary; an element that it does not have becomes
  UN.
- UN of undefined length becomes SQ. Other UN is copied as it is, also between byte orders: its
  structure is not known.
- What was deflated is deflated anew.

Compressed pixel data is never converted.
"""

from __future__ import annotations

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr

from gateway.datasets.coding import decode_whole, encode
from gateway.datasets.errors import DatasetError
from gateway.datasets.instances import Instance, identify
from gateway.datasets.selection import select_context
from gateway.datasets.syntaxes import usable_syntaxes
from gateway.errors import GatewayError
from gateway.spool import Claim
from gateway.uid import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.ul.negotiation import AcceptedContext

_WORDS = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
"""Value representations whose bytes pydicom leaves as they are, and the size of their words."""


def fit(
    what: Any, contexts: Collection[AcceptedContext], transfer_syntax: str | None = None
) -> tuple[AcceptedContext, Instance]:
    """Return the context to send an instance on, and the instance in its transfer syntax.

    Its own transfer syntax comes first: then the bytes of a file are sent as they are.

    Args:
        what: a pydicom Dataset, an Instance, or the path or claim of a file.
        contexts: the accepted contexts of the association.
        transfer_syntax: of a Dataset, where `syntax_of` would not find the right one.

    Raises:
        NoContext: no context has its SOP class and a transfer syntax that it can be sent in.
        DatasetError: it cannot be decoded or encoded.
        GatewayError, OSError: the file cannot be read.
    """
    if not isinstance(what, Dataset):
        instance = instance_in(what)
        sop_class, own = instance.sop_class_uid, instance.transfer_syntax_uid
        context = select_context(contexts, sop_class, usable_syntaxes(own))
        if context.transfer_syntax == own:
            return context, instance
        return context, convert(instance, context.transfer_syntax)
    own = transfer_syntax or syntax_of(what)
    context = select_context(contexts, _uids_of(what)[0], usable_syntaxes(own))
    target = context.transfer_syntax
    if EXPLICIT_VR_BIG_ENDIAN in (own, target) and own != target:
        return context, convert(encoded_instance(what, own), target)
    return context, encoded_instance(what, target)


def encoded_instance(dataset: Dataset, transfer_syntax: str) -> Instance:
    """Return a data set in memory as an instance to send; raise DatasetError."""
    encoded = encode(dataset, transfer_syntax)
    return Instance(*_uids_of(dataset), transfer_syntax, len(encoded), data=encoded)


def convert(instance: Instance, transfer_syntax: str) -> Instance:
    """Return an instance in another uncompressed transfer syntax; raise DatasetError, OSError.

    The whole data set is in memory meanwhile.
    """
    own = instance.transfer_syntax_uid
    dataset = decode_whole(instance.read(), own)
    was_big, is_big = (syntax == EXPLICIT_VR_BIG_ENDIAN for syntax in (own, transfer_syntax))
    try:
        dataset = correct_ambiguous_vr(dataset, not was_big)
        if was_big != is_big:
            dataset.walk(_swap)
    except Exception as error:  # whatever pydicom raises for values that make no sense
        raise DatasetError(f"the data set cannot be converted: {type(error).__name__}") from error
    encoded = encode(dataset, transfer_syntax)
    uids = instance.sop_class_uid, instance.sop_instance_uid
    return Instance(*uids, transfer_syntax, len(encoded), data=encoded)


def _swap(_: Dataset, element: object) -> None:
    size = _WORDS.get(getattr(element, "VR", ""))
    value = getattr(element, "value", None)
    if size is None or not isinstance(value, bytes) or len(value) % size:
        return
    swapped = bytearray(len(value))
    for at in range(size):
        swapped[at::size] = value[size - 1 - at :: size]
    element.value = bytes(swapped)  # type: ignore[attr-defined]


def syntax_of(dataset: Dataset) -> str:
    """Return the transfer syntax of a data set: its file meta's, or that it was read in."""
    meta = getattr(dataset, "file_meta", None)
    named = getattr(meta, "TransferSyntaxUID", None)
    if named:
        return str(named)
    implicit, little = dataset.original_encoding
    if little is False:
        return EXPLICIT_VR_BIG_ENDIAN
    return IMPLICIT_VR_LITTLE_ENDIAN if implicit else EXPLICIT_VR_LITTLE_ENDIAN


def is_file(value: Any) -> bool:
    """Tell whether a value names a file, which can be sent without decoding it."""
    return isinstance(value, Claim | str | Path) or hasattr(value, "__fspath__")


def path_of(file: Any) -> Path:
    """Return the path of a file or claim; raise GatewayError for a claim without a file."""
    if isinstance(file, Claim):
        if file.path is None:
            raise GatewayError("this claim has no file")
        return Path(file.path)
    return Path(fspath(file))


def instance_in(what: Any) -> Instance:
    """Return an Instance as it is, or the one in a file or claim; raise GatewayError."""
    return what if isinstance(what, Instance) else identify(path_of(what))


def _uids_of(dataset: Dataset) -> tuple[str, str]:
    try:
        return str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)
    except AttributeError as error:
        raise DatasetError(f"the data set cannot be sent: {error}") from None

"""Instances made to fit an accepted presentation context (needs pydicom).

An instance in one of the uncompressed transfer syntaxes can be sent in another of them; what is
preserved, `reencoding` says. Compressed pixel data is never converted.
"""

from __future__ import annotations

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets.coding import encode
from gateway.datasets.deflation import deflated_pieces
from gateway.datasets.errors import DatasetError
from gateway.datasets.instance_source import source_of
from gateway.datasets.instances import Instance, identify
from gateway.datasets.reencoding import ENCODINGS, reencode, reencoded_size
from gateway.datasets.selection import select_context
from gateway.datasets.syntaxes import usable_syntaxes
from gateway.errors import GatewayError
from gateway.spool import Claim
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gateway.ul.negotiation import AcceptedContext


AT_ONCE = 4 * 1024 * 1024
"""The most bytes of a data set that is converted in memory, before the first of it is sent."""


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
    # pydicom leaves the bytes of a value as they were read only where the encoding stays the same.
    instance, target = encoded_instance(what, own), context.transfer_syntax
    return context, instance if own == target else convert(instance, target)


def encoded_instance(dataset: Dataset, transfer_syntax: str) -> Instance:
    """Return a data set in memory as an instance to send; raise DatasetError."""
    encoded = encode(dataset, transfer_syntax)
    return Instance(*_uids_of(dataset), transfer_syntax, len(encoded), data=encoded)


def convert(instance: Instance, transfer_syntax: str) -> Instance:
    """Return an instance in another uncompressed transfer syntax; raise DatasetError, OSError.

    One of more than AT_ONCE bytes is converted as it is sent, in memory that does not depend on its
    size. Here its headers are checked to its end, so that it is sent whole or not at all.
    """
    source = source_of(instance, AT_ONCE)
    origin, target = ENCODINGS[instance.transfer_syntax_uid], ENCODINGS[transfer_syntax]
    uids = instance.sop_class_uid, instance.sop_instance_uid
    is_deflated = transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    is_large = source.size > AT_ONCE
    size = reencoded_size(source, origin, target) if is_large or origin == target else 0
    if not is_large:
        encoded = reencode(source, origin, target)
        data = b"".join(deflated_pieces(encoded) if is_deflated else encoded)
        return Instance(*uids, transfer_syntax, len(data), data=data)

    def make() -> Iterator[bytes]:
        encoded = _whole(reencode(source, origin, target), size)
        return deflated_pieces(encoded) if is_deflated else encoded

    return Instance(*uids, transfer_syntax, size, make=make)


def _whole(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the pieces of a data set; raise OSError if they are not what was checked before."""
    left = size
    try:
        for piece in pieces:
            left -= len(piece)
            yield piece
    except DatasetError as error:
        raise OSError(f"the file changed while it was sent: {error}") from None
    if left:
        raise OSError("the file changed while it was sent")


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
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if keyword not in dataset:
            raise DatasetError(f"a data set without {keyword} is not sent")
    return str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)

"""Instances made to fit an accepted presentation context (needs pydicom).

An instance in one of the uncompressed transfer syntaxes can be sent in another of them; what is
preserved, `reencoding` says. Compressed pixel data is never converted.
"""

from __future__ import annotations

from io import BytesIO
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets.coding import encode
from gateway.datasets.deflation import deflate, inflate
from gateway.datasets.element_steps import BytesSource
from gateway.datasets.errors import DatasetError
from gateway.datasets.instances import Instance, identify
from gateway.datasets.reencoding import ENCODINGS, reencode
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
    from collections.abc import Collection

    from gateway.ul.negotiation import AcceptedContext


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
    own, data = instance.transfer_syntax_uid, instance.read()
    if own == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        data = inflate(BytesIO(data))
    pieces = reencode(BytesSource(data), ENCODINGS[own], ENCODINGS[transfer_syntax])
    encoded = b"".join(pieces)
    if transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        encoded = deflate(encoded)
    uids = instance.sop_class_uid, instance.sop_instance_uid
    return Instance(*uids, transfer_syntax, len(encoded), data=encoded)


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

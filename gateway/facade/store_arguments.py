"""The argument of `send_c_store`, with pynetdicom's errors for what cannot be sent."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from gateway.datasets import DatasetError, NotDicom, identify, select_context
from gateway.datasets.coding import any_uid
from gateway.datasets.conversion import fit, syntax_of
from gateway.facade import flags

if TYPE_CHECKING:
    from collections.abc import Collection
    from os import PathLike

    from gateway.datasets import Instance
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.facade")

_ENCODINGS = {
    (True, True): "implicit VR little endian",
    (False, True): "explicit VR little endian",
    (True, False): "implicit VR big endian",
    (False, False): "explicit VR big endian",
}
"""Whether VRs are implicit and whether bytes are little endian -> the encoding in words."""


def fit_argument(
    dataset: str | PathLike[str] | Dataset, contexts: Collection[AcceptedContext]
) -> tuple[AcceptedContext, Instance]:
    """Return the context to send a data set or file on, and the instance as it is sent on that.

    Raises:
        ValueError: no context fits, or the data set cannot be encoded.
        AttributeError: a data set has no UIDs, or its transfer syntax is not in its file meta.
        FileNotFoundError: there is no such file.
        InvalidDicomError: a file is not DICOM.
    """
    if isinstance(dataset, Dataset):
        _check_uids(dataset)
        try:
            return fit(dataset, contexts, _named_syntax(dataset))
        except DatasetError as error:
            raise ValueError(f"Failed to encode the supplied dataset: {error}") from error
    instance = _identify(Path(os.fspath(dataset)))
    if flags.STORE_SEND_CHUNKED_DATASET:
        own = (instance.transfer_syntax_uid,)
        return select_context(contexts, instance.sop_class_uid, own), instance
    return fit(instance, contexts)


def _identify(path: Path) -> Instance:
    path.stat()  # FileNotFoundError, rather than InvalidDicomError
    try:
        return identify(path)
    except NotDicom as error:
        raise InvalidDicomError(f"{path}: {error}") from None


def _check_uids(dataset: Dataset) -> None:
    missing = [name for name in ("SOPClassUID", "SOPInstanceUID") if name not in dataset]
    if missing:
        raise AttributeError(
            "Unable to send the dataset as one or more required element are missing: "
            + ", ".join(missing)
        )


def _named_syntax(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    named = getattr(meta, "TransferSyntaxUID", None)
    if not named:
        raise AttributeError(
            "Unable to determine the presentation context to use with `dataset` as it contains no "
            "'(0002,0010) Transfer Syntax UID' file meta information element"
        )
    return _agreed(str(named), dataset)


def _agreed(named: str, dataset: Dataset) -> str:
    """Return the named transfer syntax, or the one that the values are in where that is known."""
    implicit, little = dataset.original_encoding
    syntax = any_uid(named)
    if implicit is None or little is None or not syntax.is_transfer_syntax:
        return named
    if (syntax.is_implicit_VR, syntax.is_little_endian) == (implicit, little):
        return named
    real = any_uid(syntax_of(_without_meta(dataset)))
    text = (
        f"'dataset' is encoded as {_ENCODINGS[implicit, little]} but the file meta has a "
        f"(0002,0010) Transfer Syntax UID of '{syntax.name}' - "
    )
    if (implicit, little) == (False, True):
        raise AttributeError(f"{text}please set an appropriate Transfer Syntax")
    log.warning("%susing '%s' instead", text, real.name)
    return str(real)


def _without_meta(dataset: Dataset) -> Dataset:
    bare = Dataset()
    bare.set_original_encoding(*dataset.original_encoding)
    return bare

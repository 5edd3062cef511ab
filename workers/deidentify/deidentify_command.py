"""`dicom-gateway deidentify`: de-identify files as the worker of that name does instances."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.datasets import DatasetError, NotDicom
from gateway.datasets.coding import decode, encode
from gateway.datasets.instances import identify, walk
from gateway.datasets.validation import disable_validation
from gateway.part10 import file_meta
from gateway.sdk import ConfigError, GatewayError
from gateway.shared_options import ConfigOption
from gateway.uid import is_valid
from workers.deidentify.deidentifier import deidentify
from workers.deidentify.profile_options import profile_of

if TYPE_CHECKING:
    from workers.deidentify.profile import Profile

_WORKER = "deidentify"


def deidentify_files(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files, and folders with all below.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder that the results go to.")
    ],
    config: ConfigOption = None,
) -> None:
    """De-identify DICOM files by the options of [workers.deidentify].

    A result has the name of its SOP Instance UID, and replaces one of that name. The exit status is
    1 if a file could not be de-identified; it is named with the reason, and has no result.
    """
    table = context.find_root().obj(config).workers.get(_WORKER)
    if table is None:
        raise ConfigError("there is no [workers.deidentify] in the configuration")
    profile = profile_of(table.options)
    disable_validation(writing=True)
    out.mkdir(parents=True, exist_ok=True)
    made = failed = 0
    for path in walk(paths):
        try:
            deidentify_file(path, out, profile)
            made += 1
        except (GatewayError, OSError) as error:
            failed += 1
            print(f"{path}: {error}", file=sys.stderr)
    print(f"{made} files de-identified{f', {failed} failed' if failed else ''}")
    raise typer.Exit(0 if made and not failed else 1)


def deidentify_file(path: Path, out: Path, profile: Profile) -> Path:
    """Write the de-identified file; return its path. Raises GatewayError, OSError."""
    try:
        instance = identify(path)
    except NotDicom as error:
        raise GatewayError(f"not a DICOM file: {error}") from None
    try:
        given = decode(instance.read(), instance.transfer_syntax_uid)
        dataset, syntax = deidentify(given, profile, instance.transfer_syntax_uid)
        encoded = encode(dataset, syntax)
    except DatasetError as error:
        raise GatewayError(f"not de-identified: {error}") from error
    uid = str(dataset.SOPInstanceUID)
    if not is_valid(uid):
        raise GatewayError("its SOP Instance UID is not a valid UID")
    target, part = out / f"{uid}.dcm", out / f"{uid}.part"
    try:
        with part.open("wb") as file:
            file.write(file_meta(str(dataset.SOPClassUID), uid, syntax) + encoded)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return target

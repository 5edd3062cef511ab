"""The processes that transcode for a worker, made from its settings."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError
from gateway.settings import TranscodingSettings, from_map
from gateway.transcoding import Transcoder

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sdk.worker_context import WorkerContext

FOLDER = "transcoding"
"""Below the data directory: a folder for each process of a worker that transcodes."""


def transcoder_of(context: WorkerContext, name: str) -> Transcoder:
    """Return what transcodes for a worker process; raises ConfigError if it cannot.

    No process is started before there is something to transcode.
    """
    if find_spec("numpy") is None:
        text = 'pixel data is transcoded with the extra `transcode`: pip install "dicom-gateway['
        raise ConfigError(f'{text}transcode]"')
    try:
        settings = from_map(TranscodingSettings, context.options.get("transcoding", {}))
    except TypeError as error:
        raise ConfigError(f"transcoding: {error}") from None
    above = context.data_dir.absolute() / FOLDER
    _remove_left(above)
    return Transcoder(settings, above / f"{name}-{os.getpid()}")


def _remove_left(above: Path) -> None:
    """Remove the folders of processes that are gone."""
    for folder in above.glob("*-*"):
        number = folder.name.rpartition("-")[2]
        if number.isdecimal() and not os.path.exists(f"/proc/{number}"):
            shutil.rmtree(folder, ignore_errors=True)

"""The bench's two programs in C, compiled when they are asked for: the sink and the sender."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_FLAGS = ("-O2", "-std=gnu11", "-pthread", "-Wall", "-Wextra", "-Werror")


class AbsentError(Exception):
    """Something that is to be measured, or to measure with, is not installed."""


@cache
def compiled(name: str) -> str:
    """The path of a program; raises AbsentError where there is no C compiler."""
    sources = [_HERE / f"{name}.c", *sorted(_HERE.glob("*.h"))]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"dicom-gateway-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    program = folder / f"{name}-{digest}"
    if not program.exists():
        _compile(sources[0], program)
    return str(program)


def _compile(source: Path, program: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        raise AbsentError("there is no C compiler (cc)")
    # Another run may compile the same at this moment: the name appears with a whole file.
    fresh = program.with_name(f"{program.name}.{os.getpid()}")
    subprocess.run([compiler, *_FLAGS, source, "-o", fresh], check=True)
    fresh.rename(program)


def sink(arguments: list[str]) -> None:
    """`python -m tests.bench sink`: run it by hand; `--dir`, `--sync`, `--discard`, `--port`."""
    try:
        program = compiled("sink")
    except AbsentError as absent:
        sys.exit(str(absent))
    os.execv(program, [program, *arguments])

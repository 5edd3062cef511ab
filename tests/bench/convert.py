"""The converter of encoded data sets: `python -m tests.bench convert`.

MB a second of processor time, from a file to pieces in another uncompressed transfer syntax, and
the growth of this process while it converts one large object, which is to be flat. `--survey`
compares what is sent in place of pydicom's files, and of variations of them, with what DCMTK's
dcmconv makes of them. The exit status is 1 if less than what was asked for is reached.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
from pydicom import dcmread

from gateway.datasets import identify
from gateway.datasets.coding import encode
from gateway.datasets.conversion import convert
from gateway.part10 import file_meta
from tests.bench.rows import show
from tests.datasets.survey import Sent, pydicoms_files, survey_of_files, survey_of_variations
from tests.peers import dcmtk, instances, procfs, wire

if TYPE_CHECKING:
    from gateway.datasets import Instance

SYNTAXES = {"implicit": wire.IMPLICIT, "explicit": wire.EXPLICIT, "big endian": wire.BIG_ENDIAN}
CT = 512 * 1024
LARGE = 1 << 30
ASKED = 200.0
"""MB a second of processor time, with objects of 512 KB."""
FLAT = 24 * 1024 * 1024
"""The most bytes that the process may grow by, whatever the size of the object."""
_BATCH = 20


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench convert", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--survey", action="store_true", help="compare with dcmconv instead")
    parser.add_argument("--variations", type=int, default=2000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="convert-", dir="/var/tmp") as name:
        folder = Path(name)
        reached = _survey(folder, options) if options.survey else _measure(folder, options.rounds)
    if not reached:
        sys.exit(1)


def _measure(folder: Path, rounds: int) -> bool:
    rows, reached = [], True
    for source, target in permutations(SYNTAXES, 2):
        rate = _rate(_small(folder, SYNTAXES[source]), SYNTAXES[target], rounds)
        grown = growth(_large(folder, SYNTAXES[source], LARGE), SYNTAXES[target])
        reached &= rate >= ASKED and grown <= FLAT
        rows.append((f"{source} to {target}", f"{rate:.0f}", f"{grown / 1e6:.1f}"))
    title = f"asked: {ASKED:.0f} MB/s with 512 KB, growth of at most {FLAT / 1e6:.0f} MB with 1 GiB"
    show(title, ("conversion", "MB/s of CPU", "growth, MB"), rows)
    return reached


def _rate(instance: Instance, target: str, rounds: int) -> float:
    """Return the median of the rounds, in MB a second of processor time: other work counts less."""
    rates = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(_BATCH):
            for _piece in convert(instance, target).pieces():
                pass
        rates.append(_BATCH * instance.size / 1e6 / (time.process_time() - started))
    return statistics.median(rates)


def growth(instance: Instance, target: str) -> int:
    """Return by how many bytes this process grows at most while it converts an instance."""
    mine = os.getpid()
    procfs.reset_peak(mine)
    before, size = procfs.memory(mine), 0
    converted = convert(instance, target)
    for piece in converted.pieces():
        size += len(piece)
    assert size == converted.size > instance.size // 2
    return procfs.memory(mine, "VmHWM") - before


def _small(folder: Path, syntax: str) -> Instance:
    """A CT of pydicom's, which has 258 elements, with more pixels."""
    ct = dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    ct.Rows = ct.Columns = 512
    ct.PixelData = bytes(range(256)) * (CT // 256)
    path = folder / "small.dcm"
    meta = file_meta(ct.SOPClassUID, ct.SOPInstanceUID, syntax)
    path.write_bytes(meta + encode(ct, syntax))
    return identify(path)


def _large(folder: Path, syntax: str, size: int) -> Instance:
    """An instance whose pixel data are a hole in the file: they take no room on the disk."""
    path = folder / "large.dcm"
    made = instances.make(syntax, size=1024)
    pixels = len(made.data_set) - 1024
    order = "big" if syntax == wire.BIG_ENDIAN else "little"
    head = made.data_set[: pixels - 4] + size.to_bytes(4, order)
    whole = file_meta(made.sop_class, made.uid, syntax) + head
    path.write_bytes(whole)
    os.truncate(path, len(whole) + size)
    return identify(path)


def _survey(folder: Path, options: argparse.Namespace) -> bool:
    if dcmtk.find("dcmconv") is None:
        sys.exit("cannot compare: DCMTK's dcmconv is not installed")
    files = survey_of_files(folder, pydicoms_files())
    variations = survey_of_variations(folder, options.variations)
    for title, survey in (("pydicom's files", files), ("variations of them", variations)):
        rows = [(str(sent), str(survey.sums[sent])) for sent in Sent]
        show(f"{title}, each with peers that accept one syntax", ("what is sent", "times"), rows)
    differences = files.differences + variations.differences
    for difference in differences:
        print(difference, file=sys.stderr)
    return not differences


if __name__ == "__main__":
    main()

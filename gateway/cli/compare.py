"""`dicom-gateway compare`: set two reports of `dicom-gateway load` side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.requestor.status_text import printable

_Before = Annotated[Path, typer.Argument(metavar="BEFORE", help="A report of `load --json`.")]
_After = Annotated[Path, typer.Argument(metavar="AFTER", help="The report of another load.")]


def command(before: _Before, after: _After) -> None:
    """Compare two reports of `dicom-gateway load --json`: each figure with its ratio.

    Below the table stands in what the two loads differ. Example:

    dicom-gateway load 127.0.0.1 11112 --json before.json

    dicom-gateway compare before.json after.json
    """
    from gateway.load import report_comparison

    old, new = report_comparison.read(before), report_comparison.read(after)
    table = [("", "before", "after", "ratio"), *report_comparison.rows(old, new)]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for name, *values in table:
        cells = (f"{value:>{width}}" for value, width in zip(values, widths[1:], strict=True))
        print(f"{name:<{widths[0]}}  {'  '.join(cells)}".rstrip())
    for text in report_comparison.differences(old, new):
        print(printable(f"differs: {text}"))

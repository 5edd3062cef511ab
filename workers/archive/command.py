"""`dicom-gateway archive`: what is in it, whether it is whole, and how to mend it."""

from __future__ import annotations

import typer

app = typer.Typer(help="Look after the stored instances: ls, verify, reindex, rm.")

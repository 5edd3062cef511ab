"""The command `dicom-gateway`, with one module for each command.

Commands import heavy modules when they run, so that `--help` and completion are fast.
"""

from gateway.cli.app import app, main

__all__ = ["app", "main"]

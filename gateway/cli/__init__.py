"""The command `dicom-gateway`, one module a command.

What is heavy is imported inside the commands, so that `--help` answers at once.
"""

from gateway.cli.app import app, main

__all__ = ["app", "main"]

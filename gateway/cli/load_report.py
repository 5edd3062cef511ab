"""The reports of `dicom-gateway load`: progress while it runs, a summary at the end, and files."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from gateway.requestor.status_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.load.display import Display
    from gateway.load.result import LoadResult


class LoadReport:
    """Shows the progress of a run and writes its result."""

    def __init__(self, json_file: Path | None, html_file: Path | None, every: float) -> None:
        self._json, self._html, self._every = json_file, html_file, every
        self._display: Display | None = None

    def check_files(self) -> None:
        """Raise BadParameter for a file that cannot be written: before the run, not after it."""
        for option, path in (("--json", self._json), ("--html", self._html)):
            if path is None:
                continue
            try:
                path.touch()
            except OSError as error:
                text = f"{path} cannot be written: {error.strerror}"
                raise typer.BadParameter(text, param_hint=option) from None

    @contextmanager
    def progress(self, result: LoadResult) -> Iterator[None]:
        """Show progress until the end of the block: a live table on a terminal, else lines."""
        self._display = display = self._make_display(result)
        try:
            yield
        finally:
            self._display = None
            display.close()

    def update(self, result: LoadResult) -> None:
        """Show the present state of a result."""
        if self._display is not None:
            self._display.update(result)

    def _make_display(self, result: LoadResult) -> Display:
        from gateway.load.display import Lines, Screen

        if sys.stdout.isatty():
            from rich.console import Console

            return Screen(Console(highlight=False), result)
        return Lines(self.line, self._every)

    @staticmethod
    def line(text: str) -> None:
        """Print a line; text from the peer is escaped."""
        print(printable(text), flush=True)

    def write(self, result: LoadResult) -> None:
        """Print the summary and write the files."""
        from gateway.load import result_text
        from gateway.load.page import page

        for line in result_text.summary(result):
            self.line(line)
        if self._json is not None:
            self._json.write_text(json.dumps(result.document(), indent=1) + "\n")
        if self._html is not None:
            self._html.write_text(page(result), encoding="utf-8")
        if result.failure:
            print(f"dicom-gateway: {printable(result.failure)}", file=sys.stderr)

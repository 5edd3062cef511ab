"""How `dicom-gateway load` tells what it sees: while it runs, in the end, and in files."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from gateway.requestor.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.load.display import Display
    from gateway.load.result import Result


class Outputs:
    """Where a run is told."""

    def __init__(self, json_file: Path | None, html_file: Path | None, every: float) -> None:
        self._json, self._html, self._every = json_file, html_file, every
        self._display: Display | None = None

    def check(self) -> None:
        """A report that cannot be written is known before the load, not after it."""
        for option, path in (("--json", self._json), ("--html", self._html)):
            if path is None:
                continue
            try:
                path.touch()
            except OSError as error:
                text = f"{path} cannot be written: {error.strerror}"
                raise typer.BadParameter(text, param_hint=option) from None

    @contextmanager
    def showing(self, result: Result) -> Iterator[None]:
        """Show how it goes, until the end of the block; a live table if somebody looks."""
        self._display = display = self._make(result)
        try:
            yield
        finally:
            self._display = None
            display.close()

    def update(self, result: Result) -> None:
        """Something may have happened."""
        if self._display is not None:
            self._display.update(result)

    def _make(self, result: Result) -> Display:
        from gateway.load.display import Lines, Screen

        if sys.stdout.isatty():
            from rich.console import Console

            return Screen(Console(highlight=False), result)
        return Lines(self.line, self._every)

    @staticmethod
    def line(text: str) -> None:
        """A line of output; a peer's text is made harmless."""
        print(printable(text), flush=True)

    def tell(self, result: Result) -> None:
        """The summary and the reports."""
        from gateway.load import words
        from gateway.load.page import page

        for line in words.summary(result):
            self.line(line)
        if self._json is not None:
            self._json.write_text(json.dumps(result.document(), indent=1) + "\n")
        if self._html is not None:
            self._html.write_text(page(result), encoding="utf-8")
        if result.failure:
            print(f"dicom-gateway: {printable(result.failure)}", file=sys.stderr)

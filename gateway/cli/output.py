"""The output of the commands that talk to a DICOM peer.

It is for people, or with --json one object a line: `{"event": "file", ...}`, and at the end
`{"event": "summary", ...}`. Results go to standard output, errors and progress bars to standard
error. Text from the peer is escaped.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from gateway.requestor.status_text import printable

if TYPE_CHECKING:
    from rich.console import Console


class Output:
    """Prints what happens, as text or as JSON."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.interactive = not as_json and sys.stderr.isatty()
        """Show progress bars, and lines only for what needs attention."""
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """The console of standard error, for progress bars."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False)
        return self._console

    def event(self, name: str, text: str = "", /, **fields: Any) -> None:
        """Print one event; without a text it appears only in JSON."""
        if self.as_json:
            print(json.dumps({"event": name, **fields}), flush=True)
        elif text:
            self.line(text)

    def line(self, text: str) -> None:
        """Print a line on standard output, above the progress bar if there is one."""
        if self.interactive and self._console is not None and sys.stdout.isatty():
            self._console.out(printable(text), highlight=False)
        else:
            print(printable(text), flush=True)

    def failed(self, error: Exception) -> None:
        """Print why the command as a whole failed."""
        if self.as_json:
            print(json.dumps({"event": "summary", "error": str(error)}), flush=True)
        print(f"dicom-gateway: {printable(str(error))}", file=sys.stderr)


def count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: `1 file`, `2 files`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"

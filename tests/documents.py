"""Code samples of a Markdown document, so that tests can run them."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_MODULE = re.compile(r"# (\w+)\.py\n")


class Sample(NamedTuple):
    """A block of code, the heading that it stands under, and its first line in the document."""

    language: str
    heading: str
    line: int
    code: str

    @property
    def module(self) -> str:
        """The name of the module that the first line says the block is; empty: none."""
        found = _MODULE.match(self.code)
        return found.group(1) if found else ""


def samples(document: Path, language: str) -> list[Sample]:
    """Return the blocks of one language in their order."""
    text = document.read_text()
    found = []
    for block in _BLOCK.finditer(text):
        headings = _HEADING.findall(text[: block.start()])
        line = text[: block.start()].count("\n") + 2
        if block.group(1) == language:
            found.append(Sample(language, headings[-1], line, block.group(2)))
    return found


def write_modules(found: list[Sample], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the samples that are modules to a folder that they can be imported from."""
    monkeypatch.syspath_prepend(str(folder))
    for sample in found:
        if sample.module:
            (folder / f"{sample.module}.py").write_text(sample.code)
            monkeypatch.delitem(sys.modules, sample.module, raising=False)
    importlib.invalidate_caches()


def run(document: Path, sample: Sample, **fixtures: object) -> dict[str, object]:
    """Run a sample, and then the tests in it; return its names.

    A test gets the fixtures that its parameters name.
    """
    code = compile("\n" * (sample.line - 1) + sample.code, str(document), "exec")
    names: dict[str, object] = {"__name__": sample.module or "sample"}
    exec(code, names)
    for name, value in list(names.items()):
        if name.startswith("test_") and inspect.isfunction(value):
            value(**{key: fixtures[key] for key in inspect.signature(value).parameters})
    return names

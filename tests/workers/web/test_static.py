"""The files of the pages: nothing foreign, nothing inline, no markup of others."""

from __future__ import annotations

import csv
import hashlib
import re

import pytest

from workers.web.pages import STATIC

_LINES = (STATIC / "vendored.tsv").read_text().splitlines()
VENDORED = list(csv.DictReader(_LINES, delimiter="\t"))
OURS = sorted(
    path
    for path in STATIC.iterdir()
    if path.suffix in (".js", ".css", ".html") and path.name not in {v["file"] for v in VENDORED}
)


@pytest.mark.parametrize("row", VENDORED, ids=lambda row: row["file"])
def test_a_vendored_file_is_as_it_was_published(row: dict[str, str]) -> None:
    assert hashlib.sha256((STATIC / row["file"]).read_bytes()).hexdigest() == row["sha256"]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_peers_texts_cannot_become_markup(path) -> None:
    text = path.read_text()
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "//cdn")
    assert not [word for word in forbidden if word in text]
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=| style=", text)
    assert text.count("\n") <= 400

"""Help texts of all commands, and completion in shells."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from gateway.cli.app import main
from tests.patience import WALL
from tests.peers.process import COMMAND

PYTHON_TYPE = re.compile(r"<(str|int|float|bool|path|file|list|tuple|datetime)\b.*?>|NoneType")
SECTION = re.compile(r"^Commands:\n((?:  .*\n?)+)", re.MULTILINE)


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def every_help(capsys: pytest.CaptureFixture[str], *command: str) -> dict[tuple[str, ...], str]:
    text = help_of(capsys, *command)
    found = {command: text}
    if section := SECTION.search(text):
        for name in re.findall(r"^  ([a-z][\w-]*) ", section[1], re.MULTILINE):
            found |= every_help(capsys, *command, name)
    return found


def test_no_help_text_has_a_python_type(capsys: pytest.CaptureFixture[str]) -> None:
    texts = every_help(capsys)
    assert {("serve",), ("get",), ("archive", "rm"), ("users", "add")} <= texts.keys()
    wrong = {
        " ".join(command): found[0]
        for command, text in texts.items()
        if (found := PYTHON_TYPE.search(text))
    }
    assert wrong == {}


def test_each_command_is_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    sections = [found[1] for text in every_help(capsys).values() if (found := SECTION.search(text))]
    assert len(sections) > 5
    assert "Command of dicom-gateway" not in sections[0]
    assert "..." not in "".join(sections), "a summary is cut"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("arch", "archive"), ("archive rei", "reindex"), ("get --roo", "--root")],
)
def test_shells_complete_commands_and_options(typed: str, offered: str) -> None:
    words = f"dicom-gateway {typed}"
    told = {
        "_DICOM_GATEWAY_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    done = subprocess.run(
        [COMMAND], env=os.environ | told, capture_output=True, text=True, timeout=WALL, check=False
    )
    assert done.stdout.split() == [offered], done.stderr

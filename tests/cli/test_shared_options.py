"""Options that commands of several workers share."""

from __future__ import annotations

import pytest

from gateway.cli.app import main


@pytest.mark.parametrize(
    ("command", "states"),
    [
        (("outbox", "ls"), "waiting, parked, sent or asked"),
        (("outbox", "retry"), "waiting, parked, sent or asked"),
        (("mpps", "outbox"), "waiting, parked or sent"),
    ],
)
def test_a_state_that_a_queue_does_not_have_is_refused(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], states: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main([*command, "--state", "lost"])
    assert left.value.code == 2
    assert f"'--state': it must be {states}" in capsys.readouterr().err

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace

import pytest

from gateway.acceptor.association_commands import AssociationCommands
from gateway.association.phase import Phase
from gateway.fabric.acceptor import AssociationCommand


@pytest.mark.parametrize("operation", ["release", "request"])
def test_a_command_that_is_given_up_in_the_turn_in_which_it_came_leaves_nothing(operation):
    """No coroutine stays behind that nobody awaits: that would be a warning, and so an error."""
    replies = []

    async def run() -> None:
        engine = SimpleNamespace(phase=Phase.ESTABLISHED)
        commands = AssociationCommands({"a1": engine}.get)
        command = AssociationCommand("a1", operation, {}, None, lambda *what: replies.append(what))
        commands.take(command)
        tasks = set(commands._tasks)
        command.gone()
        await asyncio.wait(tasks)

    asyncio.run(run())
    gc.collect()
    assert not replies

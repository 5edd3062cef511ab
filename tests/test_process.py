"""Children are exec'ed, handed what they need, heard, and never outlive their parent."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from gateway import process
from gateway.process import Child, describe_exit, spawn
from tests.patience import WALL

CHILD = "tests.supervisor.child"
LIMIT = WALL


async def start(*script: dict[str, Any], name: str = "child-0", **handed: Any) -> Child:
    return await spawn(CHILD, name=name, settings={"script": list(script)}, **handed)


async def end(child: Child) -> int:
    return await asyncio.wait_for(child.wait(), LIMIT)


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")


def test_settings_and_reports_travel_whole() -> None:
    async def run() -> None:
        note = "x" * 200_000  # more than a pipe holds
        child = await spawn(
            CHILD, name="child-7", settings={"script": [{"do": "ready"}], "note": note}
        )
        assert await child.next_report(LIMIT) == {"ready": True}
        child.terminate()
        assert await end(child) == 0
        assert await child.next_report(LIMIT) is None

    asyncio.run(run())


def test_a_child_sees_its_name_and_a_session_of_its_own() -> None:
    async def run() -> None:
        child = await start({"do": "tell"}, name="acceptor-3")
        told = await child.next_report(LIMIT)
        assert told is not None
        assert command_line(child.pid)[-2:] == [CHILD, "acceptor-3"]
        assert told["name"] == "acceptor-3"
        assert told["session"] == child.pid
        child.kill()
        assert await end(child) == -signal.SIGKILL

    asyncio.run(run())


def test_a_child_starts_in_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gateway.py").write_text("raise RuntimeError('not me')")
    (tmp_path / "json.py").write_text("raise RuntimeError('not me')")
    monkeypatch.chdir(tmp_path)

    async def run() -> None:
        child = await start({"do": "tell"})
        told = await child.next_report(LIMIT)
        assert told is not None
        assert told["cwd"] == str(tmp_path)
        assert str(tmp_path) not in told["path"]
        assert "" not in told["path"]
        child.terminate()
        assert await end(child) == 0

    asyncio.run(run())


def test_descriptors_are_handed_down_by_name_and_no_further() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            child = await start({"do": "tell"}, name="door", fds={"listen": listener.fileno()})
            told = await child.next_report(LIMIT)
            assert told is not None
            assert told["inheritable"] == []
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            assert await asyncio.wait_for(reader.read(), LIMIT) == b"door"
            writer.close()
            await writer.wait_closed()
        child.terminate()
        assert await end(child) == 0

    asyncio.run(run())


def test_a_child_that_says_nothing_times_out() -> None:
    async def run() -> None:
        child = await start({"do": "report", "first": 1})
        assert await child.next_report(LIMIT) == {"first": 1}
        with pytest.raises(TimeoutError):
            await child.next_report(0.01)
        child.terminate()
        assert await end(child) == 0
        child.terminate()  # gone already: nothing happens
        child.kill()

    asyncio.run(run())


def test_the_last_words_of_a_child_are_read_after_its_end() -> None:
    async def run() -> None:
        child = await start({"do": "report", "error": "no"}, {"do": "leave", "status": 2})
        assert await end(child) == process.EXIT_CONFIG
        assert await child.next_report(LIMIT) == {"error": "no"}
        assert await child.next_report(LIMIT) is None

    asyncio.run(run())


def test_a_module_that_is_not_there_is_a_failed_child() -> None:
    async def run() -> None:
        child = await spawn("gateway.no_such_module", name="x", settings={"a": 1})
        assert await end(child) == process.EXIT_FAILED
        assert await child.next_report(LIMIT) is None

    asyncio.run(run())


def test_a_cancelled_start_leaves_no_descriptor() -> None:
    async def run() -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(OSError):  # noqa: PT011
                await start(fds={"listen": 4000})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(run())


@pytest.mark.parametrize("script", ['[{"do": "ready"}]', '[{"do": "stuck"}]'])
def test_children_do_not_outlive_a_parent_that_was_killed(script: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, script], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    try:
        pidfd = os.pidfd_open(int(parent.stdout.readline()))
    finally:
        parent.kill()
        parent.wait(LIMIT)
        parent.stdout.close()
    try:
        readable, _, _ = select.select([pidfd], [], [], process.LIFELINE_GRACE + LIMIT)
        assert readable
    finally:
        os.close(pidfd)


PARENT = textwrap.dedent(f"""
    import asyncio, json, sys
    from gateway.process import spawn

    async def main():
        child = await spawn("{CHILD}", name="c", settings={{"script": json.loads(sys.argv[1])}})
        await child.next_report(20)
        print(child.pid, flush=True)
        await child.wait()

    asyncio.run(main())
""")


def test_a_child_module_started_by_hand_says_so() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", CHILD], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert ended.returncode == process.EXIT_CONFIG
    assert ended.stderr == "this module is started by `dicom-gateway` only\n"


def test_a_report_is_bounded() -> None:
    inherited = process.Inherited("x", {}, {}, 0, 1)
    with pytest.raises(ValueError, match="a report of"):
        inherited.report(text="x" * 1_000_000)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exit status 0"),
        (3, "exit status 3"),
        (-9, "killed by SIGKILL"),
        (-64, "killed by SIGRTMAX"),
    ],
)
def test_exit_statuses_in_words(status: int, words: str) -> None:
    assert describe_exit(status) == words

"""Worker processes as a supervisor sees them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import gateway
from gateway import process
from gateway.errors import Unanswered
from gateway.fabric.acceptor import Server
from gateway.sdk import runner
from gateway.settings import WorkerSettings, to_map
from tests.conftest import short_folder
from tests.patience import WALL
from tests.sdk.conftest import store_event
from tests.sdk.fabric import SETTINGS, Watcher, echo

LIMIT = WALL
ROOT = Path(gateway.__file__).parent.parent


@pytest.fixture
def run_dir():
    with short_folder() as folder:
        yield folder


@pytest.fixture
def children():
    return []


@pytest.fixture
def start(run_dir, tmp_path, children):
    """Starts worker processes."""

    async def start(target, **more):
        name = target.rpartition(":")[2] or target
        values = {"member": 0, "generation": 0, "drain_timeout": 5.0, **more}
        settings = WorkerSettings(
            name=values.pop("name", ""),
            target=target if ":" in target else f"tests.sdk.workers:{target}",
            run_dir=str(run_dir),
            data_dir=str(tmp_path),
            fabric=SETTINGS,
            **values,
        )
        child = await process.spawn(
            "gateway.sdk.runner", name=f"{name}-0", settings=to_map(settings)
        )
        children.append(child)
        return child

    return start


@pytest.fixture
def served(run_dir, children):
    """Runs a test's coroutine beside a fabric server of its own; ends what it left running."""

    def run(test):
        async def main():
            server = Server(SETTINGS, run_dir, 0)
            await server.start()
            try:
                await asyncio.wait_for(test(server), LIMIT)
            finally:
                for child in children:
                    child.kill()
                    await child.wait()
                await server.stop(1.0)

        asyncio.run(main())

    return run


async def ready(child):
    report = await said(child)
    assert report is not None
    assert report.get("ready"), report
    return report


async def said(child):
    """Return the next report that is more than a sign of life."""
    while (report := await child.next_report(LIMIT)) is not None and "beat" in report:
        assert report["beat"]["worker"]
    return report


async def status(child):
    return await asyncio.wait_for(child.wait(), LIMIT)


async def next_of(watcher):
    return await asyncio.get_running_loop().run_in_executor(None, watcher.next)


async def watcher_of(run_dir, *topics):
    return await asyncio.get_running_loop().run_in_executor(None, Watcher, run_dir, *topics)


async def asking(server, message_id=1):
    return asyncio.ensure_future(server.ask_once("EVT_C_ECHO", echo(message_id), assoc=b""))


def test_it_starts_answers_and_leaves(served, start, tmp_path, instance):
    async def test(server):
        child = await start("plain", options={"b": 1, "a": [2]}, member=1)
        assert await ready(child) == {
            "ready": True,
            "worker": "plain",
            "generation": 1,
            "member": 1,
        }
        assert (tmp_path / "started-1").read_text() == "['a', 'b']"
        answer = await server.ask_once("EVT_C_ECHO", echo(2), assoc=b"")
        assert answer.payload["status"] == 0xB002
        answer = await server.ask_once("EVT_C_ECHO", echo(13), assoc=b"")
        assert answer.payload == {"failed": "raised", "error": "ValueError: thirteen"}
        made = store_event(instance)
        answer = await server.ask_once("EVT_C_STORE", made._payload, assoc=b"", data=made._data)
        assert answer.payload["status"] == 0
        child.terminate()
        assert await status(child) == 0
        assert await said(child) is None
        assert (tmp_path / "stopped-1").exists()
        assert server.binding("EVT_C_ECHO") is None, "it said BYE"

    served(test)


def test_a_thread_that_dies_is_shown(monkeypatch):
    logged: list[threading.ExceptHookArgs] = []
    told: list[str] = []
    monkeypatch.setattr(threading, "excepthook", logged.append)
    runner._tell_dead_threads(SimpleNamespace(note_dead_thread=told.append))
    for name, work in (("mine", lambda: 1 / 0), ("over", sys.exit), ("done", lambda: None)):
        thread = threading.Thread(target=work, name=name)
        thread.start()
        thread.join()
    assert told == ["mine"]
    assert [args.exc_type for args in logged] == [ZeroDivisionError, SystemExit]


def test_it_finishes_what_it_has_when_told_to_leave(served, start, run_dir, tmp_path):
    async def test(server):
        watcher = await watcher_of(run_dir, "EVT_INSTANCE_STORED")
        child = await start("plain")
        await ready(child)
        request = await asking(server, 99)
        assert (await next_of(watcher)).body == {"path": "began"}
        child.terminate()
        while server.binding("EVT_C_ECHO"):  # noqa: ASYNC110 - nothing tells of a BYE
            await asyncio.sleep(0)
        request.cancel()  # which lets the handler return
        assert await status(child) == 0
        watcher.stop()

    served(test)


def test_a_parent_that_is_gone_is_followed_within_two_seconds(served, start, run_dir):
    async def test(server):
        watcher = await watcher_of(run_dir, "EVT_INSTANCE_STORED")
        child = await start("hanging")
        await ready(child)
        hung = await asking(server, 1)
        await next_of(watcher)
        child._lifeline.close()
        began = asyncio.get_running_loop().time()
        await status(child)
        assert asyncio.get_running_loop().time() - began < 2.5
        await asyncio.gather(hung, return_exceptions=True)
        watcher.stop()

    served(test)


def test_a_parent_that_is_gone_is_followed_by_an_idle_worker(served, start):
    async def test(server):
        child = await start("plain")
        await ready(child)
        child._lifeline.close()
        assert await status(child) == 0
        assert server.is_held("EVT_C_ECHO"), "its parent's death does not end the lease"

    served(test)


def test_a_hung_handler_has_the_process_replaced(served, start, run_dir):
    async def test(server):
        watcher = await watcher_of(run_dir, "EVT_INSTANCE_STORED")
        child = await start("hanging")
        await ready(child)
        hung = await asking(server, 1)
        await next_of(watcher)
        with pytest.raises(Unanswered):
            await hung
        assert (await server.ask_once("EVT_C_ECHO", echo(2), assoc=b"")).payload["status"] == 0
        report = await said(child)
        assert report == {"error": "a handler is past its deadline and does not return"}
        assert await status(child) == process.EXIT_FAILED
        assert server.binding("EVT_C_ECHO") is not None, "vacant, for it said no BYE"
        again = await start("hanging", generation=1)
        await ready(again)
        assert (await server.ask_once("EVT_C_ECHO", echo(2), assoc=b"")).payload["status"] == 0
        watcher.stop()

    served(test)


def test_a_worker_that_dies_is_followed_by_its_successor(served, start):
    async def test(server):
        first = await start("dying")
        generation = (await ready(first))["generation"]
        request = await asking(server)
        assert await status(first) == -signal.SIGKILL
        second = await start("dying", generation=generation)
        await ready(second)
        assert (await request).payload["status"] == 0xB002

    served(test)


def test_a_rival_is_refused(served, start):
    async def test(server):
        await ready(await start("plain"))
        rival = await start("rival")
        report = await said(rival)
        assert "EVT_C_ECHO" in report["error"]
        assert "plain" in report["error"]
        assert await status(rival) == process.EXIT_REFUSED

    served(test)


def test_a_newer_generation_takes_over(served, start):
    async def test(server):
        old = await start("plain")
        generation = (await ready(old))["generation"]
        new = await start("plain")
        assert (await ready(new))["generation"] > generation
        assert await status(old) == process.EXIT_SUPERSEDED
        assert (await server.ask_once("EVT_C_ECHO", echo(1), assoc=b"")).payload["status"] == 0xB001

    served(test)


def test_no_gateway(start, run_dir):
    async def test():
        child = await start("plain")
        report = await said(child)
        assert str(run_dir) in report["error"]
        assert await status(child) == process.EXIT_FAILED

    asyncio.run(test())


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("nowhere.at.all:worker", "module 'nowhere' not found"),
        ("tests.sdk.workers:wroker", "has no attribute 'wroker'; its workers are broken, choosy"),
        ("tests.sdk.workers:function", "tests.sdk.workers:function is a function, not a Worker"),
        ("tests.sdk.workers:unbound", "worker unbound: no handler is bound to any event"),
        ("tests.sdk.workers:choosy", "spool and archive are on different file systems"),
    ],
)
def test_what_can_never_start(served, start, target, error):
    async def test(server):
        child = await start(target)
        report = await said(child)
        assert error in report["error"]
        assert "\n" not in report["error"]
        assert await status(child) == process.EXIT_CONFIG

    served(test)


def test_a_start_hook_that_lacks_something_is_called_again(served, start, tmp_path):
    async def test(server):
        child = await start("lacking", options={"file": str(tmp_path / "file")})
        report = await said(child)
        assert report["waiting"].startswith("FileNotFoundError: ")
        (tmp_path / "file").touch()
        await ready(child)
        assert (await server.ask_once("EVT_C_ECHO", echo(1), assoc=b"")).payload["status"] == 0

    served(test)


def test_a_worker_that_lacks_something_leaves_when_it_is_asked_to(served, start, tmp_path):
    async def test(server):
        child = await start("lacking", options={"file": str(tmp_path / "file")})
        assert "waiting" in await said(child)
        child.terminate()
        assert await status(child) == 0

    served(test)


def test_a_start_hook_with_a_fault_of_its_own_is_not_called_again(served, start):
    async def test(server):
        child = await start("broken")
        assert await said(child) == {"error": "ValueError: no number at all"}
        assert await status(child) == process.EXIT_FAILED

    served(test)


def test_folders_in_front_of_the_path(served, start, tmp_path):
    (tmp_path / "theirs.py").write_text(
        "from gateway import Worker, evt\n"
        "worker = Worker('theirs')\n"
        "worker.bind(evt.EVT_C_ECHO, lambda event: 0xB0AA)\n"
    )

    async def test(server):
        child = await start("theirs:worker", path=(str(tmp_path),), name="renamed", concurrency=1)
        assert (await ready(child))["worker"] == "renamed"
        assert (await server.ask_once("EVT_C_ECHO", echo(1), assoc=b"")).payload["status"] == 0xB0AA

    served(test)


SCRIPT = """
import sys
from gateway import Worker, evt
worker = Worker("script")
worker.bind(evt.EVT_C_ECHO, lambda event: 0xB0BB)
worker.on_stop(lambda: print(worker.context.options))
sys.exit(worker.run(sys.argv[1], data_dir=sys.argv[2], options={"a": 1}))
"""


def test_a_script_of_its_own(served, run_dir, tmp_path):
    async def test(server):
        watcher = await watcher_of(run_dir, "EVT_WORKER_UP")
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SCRIPT, str(run_dir), str(tmp_path)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            assert (await next_of(watcher)).body["worker"] == "script"
            answer = await server.ask_once("EVT_C_ECHO", echo(1), assoc=b"")
            assert answer.payload["status"] == 0xB0BB
        finally:
            child.terminate()
            said, _ = await child.communicate()
        assert said.strip() == b"{'a': 1}"
        assert child.returncode == 0
        watcher.stop()

    served(test)


def test_it_is_not_started_by_hand():
    async def test():
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.sdk.runner", "x"),
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        _, said = await child.communicate()
        assert b"by `dicom-gateway` only" in said
        assert child.returncode == process.EXIT_CONFIG

    asyncio.run(test())

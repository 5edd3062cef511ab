"""The fabric over TCP with CURVE beside ipc: `python -m tests.bench fabric`.

One acceptor and one worker process each, on loopback. Shown are requests without data, requests
with an inline data set, and files, which a worker on another host fetches in chunks and one on this
host opens in place. Rounds of both alternate. The CPU time of both processes, with that of the
asking, says on a busy machine, too, what a request costs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from gateway.fabric import Answer, Registration
from gateway.fabric.acceptor.interventions import Intervention
from gateway.fabric.acceptor.sinks import AwaitedAnswer
from gateway.fabric.worker import Client
from gateway.settings import FabricSettings
from tests.bench import tree
from tests.fabric.other_host import OtherHost
from tests.fabric.world import STORE, acceptor

if TYPE_CHECKING:
    from gateway.fabric.acceptor import Server

INLINE = 32 * 1024
FILE = 8 * 1024 * 1024
IN_FLIGHT = 32


def work(run_dir: str, *connect: str) -> None:
    """Answer every EVT_C_STORE, after all of its data set was read, until stdin closes."""
    settings = FabricSettings(
        **dict(zip(("connect", "server_key", "key_file"), connect, strict=False))
    )

    def on_requests(requests: list[Any]) -> None:
        for request in requests:
            claim = request.payload.get("claim")
            if claim:
                with open(claim["path"], "rb", buffering=0) as file:
                    while file.read(1 << 20):
                        pass
            client.answer(request.token, Answer({"status": 0}))

    client = Client(
        run_dir,
        Registration("w", 1, 0, 2 * IN_FLIGHT, (STORE,)),
        settings=settings,
        on_requests=on_requests,
        fetch_dir=Path(run_dir) / "fetched",
    )
    client.start()
    print("ready", flush=True)
    sys.stdin.read()
    client.stop()


async def rate(
    server: Server, number: int, claim: dict[str, Any] | None, data: bytes | None
) -> float:
    """Return requests in a second, with `IN_FLIGHT` at a time."""
    left = iter(range(number))

    async def one_after_the_other() -> None:
        for _ in left:
            sink = AwaitedAnswer()
            payload = {} if claim is None else {"claim": claim}
            server.ask(Intervention("EVT_C_STORE", payload, b"", data, sink=sink))
            await sink.future

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(min(IN_FLIGHT, number))))
    return number / (time.perf_counter() - began)


def spooled(folder: str) -> dict[str, Any]:
    """Return the claim of a new file."""
    path = Path(folder, "token")
    path.write_bytes(os.urandom(FILE))
    claim = {"token": "t", "path": str(path), "offset": 0, "size": FILE}
    return claim | {"digest": b"", "synced": True}


async def served(stack: AsyncExitStack, run_dir: Path, *connect: str) -> Server:
    """Return an acceptor with a worker in a process of its own."""
    server = await stack.enter_async_context(acceptor(run_dir, settings=FabricSettings()))
    command = (sys.executable, "-m", "tests.bench", "fabric", "--work", str(run_dir), *connect)
    child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    stack.push_async_callback(child.wait)
    stack.callback(child.stdin.close)
    await child.stdout.readline()
    return server


async def measure(rounds: int, number: int) -> None:
    async with AsyncExitStack() as stack:
        here, there = (
            stack.enter_context(tempfile.TemporaryDirectory(prefix="fab-")) for _ in range(2)
        )
        host = OtherHost(there).prepare()
        remote = host.connecting(FabricSettings())
        keys = (remote.connect, remote.server_key, remote.key_file)
        servers = {
            "ipc": await served(stack, Path(here)),
            "tcp": await served(stack, host, *keys),
        }
        kinds: dict[str, tuple[int, dict[str, Any] | None, int]] = {
            "requests without data, /s": (number, None, 0),
            f"requests with {INLINE // 1024} KiB, /s": (number // 2, None, INLINE),
            f"files of {FILE >> 20} MiB, MB/s": (12, spooled(here), FILE),
        }
        print(f"{'':34} {'ipc':>10} {'tcp+CURVE':>10} {'ratio':>6}   {'CPU each, us':>21}")
        for kind, (count, claim, size) in kinds.items():
            data = os.urandom(size) if size and claim is None else None
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
            for _ in range(rounds):
                for name, server in servers.items():
                    began = tree.cpu(os.getpid())
                    reached = await rate(server, count, claim, data)
                    spent = tree.cpu(os.getpid()) - began
                    found[name].append((reached, spent / count * 1e6))
            unit = size / 1e6 if claim else 1
            ipc, tcp = (median(each for each, _ in found[name]) * unit for name in servers)
            cpu = [median(each for _, each in found[name]) for name in servers]
            rates = f"{kind:34} {ipc:10.0f} {tcp:10.0f} {tcp / ipc:6.2f}"
            print(f"{rates}   {cpu[0]:10.0f} {cpu[1]:10.0f}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench fabric", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        work(*options.work)
    else:
        asyncio.run(measure(options.rounds, options.requests))

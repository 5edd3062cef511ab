"""The pages with many associations and instances, and the screenshots of them: `page`.

A gateway whose index has 100,000 instances holds 1,000 idle associations and is under the load of
`dicom-gateway load`, while Chromium opens each page in light, dark and at phone width. Printed are
the seconds until a page shows its values, the bytes of one message of its stream and, for each
page, the CPU time of acceptor and web worker in a second, compared with that when nobody looks.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.find_million import fill
from tests.conftest import short_folder
from tests.patience import WALL
from tests.peers import instances, wire
from tests.peers.browser import Browser
from tests.peers.process import COMMAND, Gateway, Program
from tests.peers.procfs import cpu_seconds
from tests.peers.raw import RawPeer, association
from tests.peers.sender import store_all
from tests.peers.web_store import WebStore, module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.raw import Address

FIGURES = Path(__file__).parents[2] / "workers/web/figures"
PAGES = {
    "now": "document.querySelectorAll('tbody tr').length > 0",
    "associations": "document.querySelectorAll('tbody tr').length > 0",
    "history": "document.querySelectorAll('tbody tr').length > 0",
    "senders": "document.querySelectorAll('tbody tr').length > 0",
    "destinations": "document.body.innerText.includes('Connection refused')",
    "workers": "document.body.innerText.includes('storage-0')",
    "archive": "document.querySelectorAll('tbody tr').length >= 50",
    "recordings": "document.body.innerText.includes('Nothing was recorded')",
    "health": "document.body.innerText.includes('acceptor-0')",
}
SIZES = {"light": (1280, 760), "dark": (1280, 760), "phone": (390, 844)}
CONFIG = """
[policy]
require_called_ae_title = true
[association]
network_timeout = 3600.0
max_associations = 5000
[workers.web]
enabled = true
[web]
port = 0
[destinations]
ARCHIVE2 = "127.0.0.1:1"
CLOUD = "http://127.0.0.1:{cloud}/dicom-web"
NIGHT = {{host = "127.0.0.1", port = 1, hours = ["03:00-03:01"]}}
[[routes]]
name = "MR"
when = 'calling == "MR1"'
destinations = ["ARCHIVE2", "CLOUD", "NIGHT"]
"""
_SHOW = ".find((b) => b.textContent === 'Show')"
_SPAN = 4.0
_SETTLED = 2.0
"""Seconds before a screenshot, so that there is something to see."""


@contextmanager
def busy(count: int, open_ones: int) -> Iterator[tuple[Gateway, str]]:
    """A gateway with instances, associations and load; the address of its page."""
    with short_folder() as folder, ExitStack() as stack:
        fill(folder / "data/archive/index.sqlite", count)
        cloud = stack.enter_context(WebStore().running())
        gateway = Gateway(folder, config=CONFIG.format(cloud=cloud.port))
        stack.callback(gateway.close)
        match = gateway.program.out.wait_for(re.compile(r"operators: (\S+)"))
        for number in range(open_ones):
            title = f"SCANNER{number % 40:02}"
            stack.enter_context(association(gateway.address, wire.context(1), calling=title))
        for number in range(30):
            end(gateway.address, number)
        sent = instances.many(8)
        bad = sent[3].uid
        cloud.answer = lambda asked: module(
            [uid for uid in asked.uids if uid != bad], {bad: 0xA900} if bad in asked.uids else {}
        )
        store_all(gateway.address, sent, calling="MR1")
        host, port = gateway.address
        load = Program(
            *(COMMAND, "load", host, str(port), "--associations", "20", "--rate", "40"),
            *("--duration", "10m", "--aec", "GATEWAY"),
            cwd=folder,
        )
        stack.callback(load.kill_all)
        yield gateway, match[1]


def end(address: Address, number: int) -> None:
    """An association that is released, aborted or rejected."""
    title = f"MR{number % 4}"
    with RawPeer(address) as peer:
        if number % 5 == 4:
            peer.send(wire.associate_rq(wire.context(1, "1.2.3.4"), called="WRONG", calling=title))
            peer.recv_pdu()
            return
        peer.associate(wire.context(1), calling=title)
        peer.echo()
        if number % 5:
            peer.release()


def cpu_in_a_second(pids: list[int]) -> list[float]:
    """The CPU time of processes in a second, over some seconds."""
    before = [cpu_seconds(pid) for pid in pids]
    time.sleep(_SPAN)
    return [(cpu_seconds(pid) - start) / _SPAN for pid, start in zip(pids, before, strict=True)]


def message_of(url: str, name: str) -> int:
    """The bytes of one message of a page's stream."""
    base, _, token = url.partition("/?token=")
    asked = urllib.request.Request(
        f"{base}/live/{name}", headers={"Cookie": f"dicom_gateway_token={token}"}
    )
    with urllib.request.urlopen(asked, timeout=WALL) as stream:
        return len(stream.readline())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench page", description=__doc__)
    parser.add_argument("--instances", type=int, default=100_000)
    parser.add_argument("--associations", type=int, default=1000)
    parser.add_argument("--figures", action="store_true", help=f"write screenshots to {FIGURES}")
    options = parser.parse_args(arguments)
    with busy(options.instances, options.associations) as (gateway, url):
        pids = [gateway.child("acceptor-0"), gateway.child("web-0")]
        acceptor, web = cpu_in_a_second(pids)
        print(f"nobody looks: acceptor {acceptor:.3f} s, web {web:.3f} s of CPU in a second")
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            Browser(Path(folder)) as browser,
        ):
            browser.open(url)
            for name, shown in PAGES.items():
                look(browser, url, name, shown, pids)
                if options.figures:
                    photograph(browser, name, gateway.address)
            if browser.errors:
                raise RuntimeError(browser.errors)


def look(browser: Browser, url: str, name: str, shown: str, pids: list[int]) -> None:
    """Open a page, and print what it costs."""
    browser.wait_for("document.querySelector('#state').textContent !== 'Loading'")
    start = time.monotonic()
    base = url.partition("/?")[0]
    browser.open(f"{base}/{'' if name == 'now' else name}")
    browser.wait_for(f"document.title.toLowerCase().startsWith('{name}') && {shown}")
    seconds = time.monotonic() - start
    acceptor, web = cpu_in_a_second(pids)
    print(
        f"{name}: shown after {seconds:.2f} s, {message_of(url, name) / 1000:.1f} kB a message, "
        f"acceptor {acceptor:.3f} s, web {web:.3f} s of CPU in a second"
    )


def photograph(browser: Browser, name: str, address: Address) -> None:
    """Write the screenshots of the page that is open."""
    FIGURES.mkdir(exist_ok=True)
    if name == "associations":
        follow_one_that_sends(browser)
    if name == "destinations":
        browser.run(f"[...document.querySelectorAll('button')]{_SHOW}.click()")
        browser.wait_for("document.querySelectorAll('table').length > 1")
        browser.run("window.scrollTo(0, 0)")
    if name == "recordings":
        record_some(browser, address)
    for size, (width, height) in SIZES.items():
        browser.show(width, height, dark=size == "dark")
        time.sleep(_SETTLED)
        if width > 1000 and (cut := browser.cut_tables()):
            raise RuntimeError(f"{name}: {cut}")
        (FIGURES / f"{name}-{size}.png").write_bytes(browser.screenshot())
    browser.show(*SIZES["light"])


def follow_one_that_sends(browser: Browser) -> None:
    """Choose an association that is under load, and wait until something has passed over it."""
    browser.run(
        "{ const field = document.querySelector('input[type=search]'); field.value = 'LOAD'; "
        "field.dispatchEvent(new Event('input')) }"
    )
    browser.wait_for("document.querySelector('tbody tr').innerText.includes('LOAD')")
    browser.run("document.querySelector('tbody button').click()")
    browser.wait_for("document.querySelectorAll('.lanes li').length > 12")


def record_some(browser: Browser, address: Address) -> None:
    """Have one recording that is over, one of a rejected association, and two that go on."""
    for number, wanted in enumerate(
        (
            {"calling": "MR1", "count": 1},
            {"rejected": True, "count": 1},
            {"calling": "MR*", "count": 0},
            {"address": "127.0.0.1", "count": 500, "redact": False},
        ),
        1,
    ):
        browser.run(
            "fetch('do/record', {method: 'POST', headers: {'Content-Type': 'application/json'}, "
            f"body: {json.dumps(json.dumps(wanted))}}})"
        )
        browser.wait_for(f"document.querySelectorAll('tbody tr').length >= {number}")
    for number in (1, 9):  # one that is released, one that is rejected
        end(address, number)
    badges = "[...document.querySelectorAll('.state')]"
    browser.wait_for(f"{badges}.filter((one) => one.textContent === 'over').length >= 2")


if __name__ == "__main__":
    main()

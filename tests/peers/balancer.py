"""HAProxy in front of gateways, with the configuration that the project ships."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.patience import WALL
from tests.peers import procfs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.peers.raw import Address

SHIPPED = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"
SOURCE = "127.0.0.9"
"""The address from which the balancer connects to gateways."""
LISTED = f'[gateway]\nbalancers = ["{SOURCE}/32"]\n'
"""The configuration of gateways that believe it."""


def program() -> str | None:
    """Return the path of HAProxy; None: it is not installed."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


def configuration(
    port: int,
    gateways: Sequence[Address],
    *,
    probes: Sequence[int] = (),
    send: str = "send-proxy-v2",
    source: str = SOURCE,
) -> str:
    """Return the shipped configuration for gateways at these addresses.

    With the ports of their `web.probes` HAProxy asks for /readyz; without, it asks nothing.
    """
    text = SHIPPED.read_text().replace("bind :11112", f"bind 127.0.0.1:{port}")
    text = text.replace("send-proxy-v2", send).replace("leastconn", "roundrobin")
    check = re.compile(r" check port 11181 (inter \S+ fall \d+ rise \d+ observe .* mark-down)")
    assert check.search(text)
    text = check.sub(r" \1" if probes else "", text)
    text = re.sub(r"^    server gateway\d.*\n", "", text, flags=re.MULTILINE)
    for number, (host, at) in enumerate(gateways):
        asked = f" check port {probes[number]}" if probes else ""
        text += f"    server gateway{number + 1} {host}:{at} source {source}{asked}\n"
    return text


@contextmanager
def balancer(folder: Path, text: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run HAProxy with a configuration until the end of the block."""
    file = folder / "haproxy.cfg"
    file.write_text(text)
    found = program()
    assert found is not None
    running = subprocess.Popen([found, "-db", "-f", file], stderr=subprocess.DEVNULL)
    try:
        procfs.until(lambda: _listens(port), what="the balancer")
        yield running
    finally:
        running.terminate()
        running.wait(WALL)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=WALL):
        return True
    return False

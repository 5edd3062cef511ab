from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
import requests

from gateway.control_client import ask
from tests.conftest import short_folder
from tests.peers.process import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a-token-of-the-tests-1"
CONFIG = f"""
[archive]
incomplete = "keep"
[dicomweb]
port = 0
token = "{TOKEN}"
longest = 20000000
[workers.dicomweb]
"""


class Service(NamedTuple):
    gateway: Gateway
    base: str
    session: requests.Session

    def get(self, path: str, accept: str = "", **headers: str) -> requests.Response:
        wanted = {"Accept": accept} if accept else {}
        return self.session.get(self.base + path, headers={**wanted, **headers}, timeout=60)

    def post(self, body: bytes, content_type: str = "", path: str = "/studies"):
        kind = content_type or 'multipart/related; type="application/dicom"; boundary=edge'
        return self.session.post(
            self.base + path, data=body, headers={"Content-Type": kind}, timeout=60
        )


def body(*parts: bytes, kind: str = "application/dicom") -> bytes:
    """A multipart body with the boundary `edge`."""
    framed = [
        b"--edge\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + p + b"\r\n" for p in parts
    ]
    return b"".join(framed) + b"--edge--\r\n"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with short_folder() as folder, serving(folder, CONFIG) as found:
        yield found


@contextmanager
def serving(folder: Path, config: str) -> Iterator[Service]:
    """The service of a gateway that runs with this configuration."""
    with requests.Session() as session:
        gateway = Gateway(folder, config=config)
        try:
            told = str(ask(gateway.data / "run", "status"))
            (base,) = re.findall(r"http://127\.0\.0\.1:\d+/dicom-web", told)
            session.headers["Authorization"] = f"Bearer {TOKEN}"
            yield Service(gateway, base, session)
            assert gateway.stop() == 0, gateway.program.report()
            assert "Traceback" not in gateway.program.err.text
        finally:
            gateway.close()

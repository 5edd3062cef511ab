"""The core of the requestor is light: an acceptor may use it."""

from __future__ import annotations

import subprocess
import sys

from tests.patience import WALL

CODE = """
import sys
import gateway.requestor, gateway.requestor.sync, gateway.requestor.bulk_store
import gateway.requestor.received, gateway.requestor.get_contexts
heavy = {"pydicom", "pydantic", "typer", "rich", "zmq", "msgpack"} & set(sys.modules)
assert not heavy, heavy
"""


def test_core_has_no_pydicom_and_no_fabric() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=WALL, check=False
    )
    assert done.returncode == 0, done.stderr

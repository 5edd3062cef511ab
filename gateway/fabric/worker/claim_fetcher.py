"""Data sets of C-STORE requests that are in files of another host: they are fetched first.

A request whose claim has neither a path nor data is held back until its file is here. It is asked
for in chunks, of which few are on their way at a time, so that memory does not depend on its
length. A thread of its own writes them: a slow disk must not stop the heartbeats. The handler then
gets a claim with a path, as from an acceptor on its own host.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.fabric.wire.envelopes import Chunk, ChunkTaken, Envelope, Extend, Fetch
from gateway.fabric.wire.terms import Answer, CancelReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.wire.terms import ReceivedIntervention
    from gateway.fabric.worker.link import Link

logger = logging.getLogger("gateway.fabric")

CHUNK = 1024 * 1024
"""Bytes that are asked for at a time."""
WINDOW = 8
"""Chunks of one acceptor that are on their way at most."""
_OUT_OF_RESOURCES = 0xA700


@dataclass(eq=False, slots=True)
class _Download:
    """A file that is being fetched."""

    request: ReceivedIntervention
    link: Link
    path: Path
    descriptor: int
    size: int
    asked: int = 0
    written: int = 0


class ClaimFetcher:
    """Fetches the files of requests; all methods but those of its thread are the client's."""

    def __init__(
        self,
        directory: Path,
        shared: str,
        call: Callable[[Callable[[], None]], None],
        hand_on: Callable[[list[ReceivedIntervention]], None],
        answer: Callable[[str, Answer], bool],
    ) -> None:
        """`call` runs a function in the client's thread; `shared` is where this host sees the
        gateway's spool, empty if it does not.
        """
        self._directory = directory
        self._shared = shared
        self._call = call
        self._hand_on = hand_on
        self._answer = answer
        self._fetching: dict[str, CancelReason | None] = {}
        """The requests held back, and why nobody awaits their answers any more."""
        self._files: dict[str, Path] = {}
        """The fetched files of requests in hand."""
        self._stimuli: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._downloads: dict[str, _Download] = {}
        self._on_their_way: Counter[Link] = Counter()
        self._thread = threading.Thread(target=self._run, name="claims", daemon=True)
        self.take: dict[type[Envelope], Callable[[Link, Any, Any], None]] = {Chunk: self._on_chunk}

    def open(self) -> None:
        """Make a directory for the files, and delete those of clients that have died."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self._directory.iterdir():
                _sweep(left)
            self._home = Path(tempfile.mkdtemp(dir=self._directory))
            self._lock = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            text = f"no place for data sets at {self._directory}: {error.strerror}"
            raise FabricError(text) from error
        self._thread.start()

    def close(self) -> None:
        self._stimuli.put(None)
        self._thread.join()
        shutil.rmtree(self._home, ignore_errors=True)
        os.close(self._lock)

    def requested(self, link: Link, requests: list[ReceivedIntervention]) -> None:
        """Hand on the requests that are complete; fetch the files of the others."""
        ready = []
        for request in requests:
            claim = request.payload.get("claim")
            if isinstance(claim, dict) and claim.get("path") is None and request.data is None:
                self._fetching[request.token] = None
                self._stimuli.put(lambda request=request: self._begin(link, request))  # type: ignore[misc]
            else:
                ready.append(request)
        if ready:
            self._hand_on(ready)

    def cancel(self, token: str, why: CancelReason) -> bool:
        """Note that a request was cancelled; return False if it is not held back here."""
        if token not in self._fetching:
            return False
        if why is not CancelReason.CANCEL:
            self._fetching[token] = why
            self._stimuli.put(lambda: self._give_up(token, ""))
        return True

    def returned(self, token: str) -> None:
        """Delete the file of a request that is not in hand any more; any thread may call this."""
        path = self._files.pop(token, None)
        if path is not None:
            path.unlink(missing_ok=True)

    def lose(self, link: Link) -> None:
        """Forget the chunks on their way from an acceptor whose lease is gone."""
        self._stimuli.put(lambda: self._on_their_way.pop(link, None))

    def _on_chunk(self, link: Link, chunk: Chunk, data: memoryview | None) -> None:
        self._stimuli.put(lambda: self._write(link, chunk, data))

    def _complete(self, request: ReceivedIntervention, path: Path, *, is_own: bool) -> None:
        if self._fetching.pop(request.token, CancelReason.LOST) is not None:
            return
        if is_own:
            self._files[request.token] = path
        payload = {**request.payload, "claim": {**request.payload["claim"], "path": str(path)}}
        self._hand_on([request._replace(payload=payload)])

    def _failed(self, token: str, text: str) -> None:
        if token not in self._fetching:
            return
        why = self._fetching.pop(token)
        if why is None:
            logger.error("token=%s data set not fetched: %s", token, text)
            comment = {"ErrorComment": "Out of resources: data set not fetched"}
            self._answer(token, Answer({"status": _OUT_OF_RESOURCES, "elements": comment}))
        elif why is not CancelReason.LOST:
            self._answer(token, Answer({}))  # it frees the credit

    # -- the thread that writes

    def _run(self) -> None:
        while (stimulus := self._stimuli.get()) is not None:
            stimulus()
        for token in list(self._downloads):
            self._drop(token)

    def _begin(self, link: Link, request: ReceivedIntervention) -> None:
        claim, token = request.payload["claim"], request.token
        try:
            size = int(claim["offset"]) + int(claim["size"])
            if (path := self._shared_file(request, size)) is not None:
                self._call(lambda: self._complete(request, path, is_own=False))
                return
            descriptor, name = tempfile.mkstemp(dir=self._home)
        except (OSError, KeyError, TypeError, ValueError) as error:
            self._tell_failure(token, str(error))
            return
        self._downloads[token] = _Download(request, link, Path(name), descriptor, size)
        self._ask(link)

    def _shared_file(self, request: ReceivedIntervention, size: int) -> Path | None:
        """Return the file where both hosts see the spool; None: it has to be fetched."""
        key = request.payload.get("spool_key")
        if not self._shared or not isinstance(key, str):
            return None
        path = Path(self._shared, key)
        if ".." in path.parts or path.is_symlink():
            return None
        with suppress(OSError):
            if path.stat().st_size == size:
                return path
        return None

    def _ask(self, link: Link) -> None:
        """Ask for the next chunks, those of the earliest file first."""
        for token, one in self._downloads.items():
            if one.link is not link:
                continue
            while one.asked < one.size and self._on_their_way[link] < WINDOW:
                size = min(CHUNK, one.size - one.asked)
                link.post(Fetch(token, one.asked, size))
                one.asked += size
                self._on_their_way[link] += 1

    def _write(self, link: Link, chunk: Chunk, data: memoryview | None) -> None:
        self._on_their_way[link] -= self._on_their_way[link] > 0
        one = self._downloads.get(chunk.token)
        if one is not None and one.link is link:
            self._write_to(one, chunk, data)
        link.post(ChunkTaken(chunk.receipt))
        self._ask(link)

    def _write_to(self, one: _Download, chunk: Chunk, data: memoryview | None) -> None:
        token = chunk.token
        if data is None:
            self._give_up(token, "the acceptor has it no more")
            return
        if chunk.offset + len(data) > one.asked:
            self._give_up(token, "the acceptor sent what was not asked for")
            return
        try:
            done = 0
            while done < len(data):
                done += os.pwrite(one.descriptor, data[done:], chunk.offset + done)
        except OSError as error:
            self._give_up(token, str(error))
            return
        one.written += len(data)
        one.link.offer(Extend(token))
        if one.written >= one.size:
            del self._downloads[token]
            os.close(one.descriptor)
            self._call(lambda: self._complete(one.request, one.path, is_own=True))

    def _give_up(self, token: str, text: str) -> None:
        self._drop(token)
        self._tell_failure(token, text)

    def _tell_failure(self, token: str, text: str) -> None:
        self._call(lambda: self._failed(token, text))

    def _drop(self, token: str) -> None:
        one = self._downloads.pop(token, None)
        if one is not None:
            os.close(one.descriptor)
            one.path.unlink(missing_ok=True)


def _sweep(left: Path) -> None:
    """Delete the directory of a client that has died: nobody locks it."""
    try:
        descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(descriptor)

"""Have other workers transform instances before they are kept or sent: EVT_STORE_TRANSFORM.

It fails closed. Whatever goes wrong - the worker is missing, lost, late, raises, or gives something
that is not an instance of the same SOP class - is a `NotTransformed`, and never the instance as it
was.
"""

from __future__ import annotations

import logging
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from gateway.dimse.status import OUT_OF_RESOURCES, SUCCESS, Category, category
from gateway.errors import FabricError, GatewayError
from gateway.fabric.wire.terms import CommandFailure
from gateway.part10 import Part10Error, read_file_meta
from gateway.sdk.command_sender import RESULT_TIMEOUT
from gateway.spool.digest import digest_of, running_digest
from gateway.uid import is_valid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gateway.fabric import Answer
    from gateway.sdk.command_sender import Results, SendCommand
    from gateway.spool import Claim

log = logging.getLogger("gateway.sdk")

LIMIT = 2 << 30
"""Bytes that a data set may have after a transform, unless its caller states another number."""
_PIECE = 1 << 20
_MAX_TAG = 0xFFFFFFFF
_PAYLOAD = {"sop_class_uid": str, "sop_instance_uid": str, "transfer_syntax_uid": str} | {
    "offset": int,
    "size": int,
}


class InstanceFile(NamedTuple):
    """An instance as a DICOM file, before and after a transform."""

    claim: Claim
    """Where the file is, and the digest of its data set. Its token only names it."""
    data: bytes | None
    """The whole file if the claim has no path."""
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str = ""
    """Of the association that it came on."""
    called_ae_title: str = ""
    acceptor: str = ""
    """The name of the acceptor that has the association; empty: it is over."""
    association: str = ""
    """The id of the association."""


class NotTransformed(GatewayError):  # noqa: N818 - a result, which becomes a status
    """An instance was refused by a worker, or could not be transformed; `status` is for the peer.

    The text has nothing of the data set in it.
    """

    def __init__(
        self, worker: str, text: str, *, status: int = OUT_OF_RESOURCES, kind: str = "failed"
    ) -> None:
        super().__init__(f"transform by worker {worker}: {text}")
        self.worker = worker
        self.status = status
        self.kind = kind
        """*refused* by the worker; *unanswered*: it is missing, lost, busy or late; *raised*: its
        handler; *invalid*: its answer."""
        self.elements: Mapping[str, Any] = {}
        """Further elements of a refusal's response (PS3.7 annex C)."""


Outcome: TypeAlias = InstanceFile | NotTransformed


class Transforms:
    """Asks workers through acceptors; its methods may be called from any thread.

    `acceptors` returns the names of all acceptors, `send_command` sends one of them a command.
    """

    def __init__(self, acceptors: Callable[[], Sequence[str]], send_command: SendCommand) -> None:
        self._acceptors = acceptors
        self._send_command = send_command

    def transform(
        self,
        workers: Sequence[str],
        instances: Sequence[InstanceFile],
        folder: Path,
        *,
        limit: int = LIMIT,
    ) -> list[Outcome]:
        """Have instances transformed by workers, one after the other; return what each becomes.

        The same object: it is to be kept as it is. A file of a result with a path is in `folder`,
        and is the caller's to delete; all others are deleted here. A data set of more than `limit`
        bytes is not taken.
        """
        outcomes: list[Outcome] = list(instances)
        for worker in workers:
            asked = [
                _PendingTransform(self, worker, one, folder, limit)
                if isinstance(one, InstanceFile)
                else one
                for one in outcomes
            ]  # all of them are asked before the first is waited for
            after = [one.outcome() if isinstance(one, _PendingTransform) else one for one in asked]
            for before, now, given in zip(outcomes, after, instances, strict=True):
                if before is not now and before is not given:
                    discard(before)
            outcomes = after
        return outcomes

    def send(self, instance: InstanceFile, payload: dict[str, Any]) -> Results:
        """Send the command to the acceptor of the association, or to any; raise FabricError."""
        names = [instance.acceptor] if instance.acceptor else list(self._acceptors())
        if not names:
            raise FabricError("no acceptor is there")
        return self._send_command(
            secrets.choice(names),
            instance.association,
            "transform",
            payload,
            data=instance.data,
            timeout=RESULT_TIMEOUT,  # the acceptor watches the deadline of the worker
        )


def discard(outcome: Outcome) -> None:
    """Delete the file of a result that is not wanted."""
    if isinstance(outcome, InstanceFile) and outcome.claim.path is not None:
        with suppress(OSError):
            os.unlink(outcome.claim.path)


class _PendingTransform:
    """One instance in the hands of one worker."""

    def __init__(
        self,
        transforms: Transforms,
        worker: str,
        instance: InstanceFile,
        folder: Path,
        limit: int,
    ) -> None:
        self._worker = worker
        self._instance = instance
        self._limit = limit
        self._path = folder / f"{instance.claim.token}.{secrets.randbelow(10**9)}.part"
        self._results: Results | FabricError | OSError
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._results = transforms.send(instance, self._payload())
        except (FabricError, OSError) as error:
            self._results = error

    def outcome(self) -> Outcome:
        """Wait for the answer, and return what the instance becomes."""
        is_kept = False
        try:
            if isinstance(self._results, Exception):
                raise self._results
            result = self._result_of(next(self._results))
            is_kept = isinstance(result, InstanceFile) and result.claim.path == str(self._path)
        except NotTransformed as error:
            return error
        except FabricError as error:
            return self._failed("unanswered", str(error))
        except OSError as error:
            return self._failed("invalid", error.strerror or "input/output error")
        finally:
            if not is_kept:
                with suppress(OSError):
                    os.unlink(self._path)
        return result

    def _payload(self) -> dict[str, Any]:
        instance = self._instance
        return {
            "worker": self._worker,
            "request": {
                "AffectedSOPClassUID": instance.sop_class_uid,
                "AffectedSOPInstanceUID": instance.sop_instance_uid,
            },
            "context": [0, instance.sop_class_uid, instance.transfer_syntax_uid],
            "claim": instance.claim.to_map(),
            "calling_ae_title": instance.calling_ae_title,
            "called_ae_title": instance.called_ae_title,
            "result": str(self._path),
            "limit": self._limit,
        }

    def _failed(self, kind: str, text: str) -> NotTransformed:
        return NotTransformed(self._worker, text, kind=kind)

    def _result_of(self, result: Answer) -> InstanceFile:
        """Return what the result of the command says; raise NotTransformed, OSError."""
        if "error" in result.payload:
            kind = result.payload.get("kind")
            is_lack = kind == CommandFailure.UNANSWERED.value
            raise self._failed("unanswered" if is_lack else "invalid", str(result.payload["error"]))
        payload = result.payload.get("answer")
        if not isinstance(payload, dict):
            raise self._failed("invalid", "there is no answer")
        if failed := payload.get("failed"):
            is_raised = failed == "raised"
            # what an exception says may be from the data set
            text = (
                str(payload.get("error")).partition(":")[0] if is_raised else payload.get("error")
            )
            raise self._failed("raised" if is_raised else "invalid", str(text))
        if "status" in payload:
            return self._as_it_is(payload)
        return self._changed(payload, result.data)

    def _as_it_is(self, payload: dict[str, Any]) -> InstanceFile:
        status = payload["status"]
        if type(status) is int and status == SUCCESS:
            return self._instance
        if type(status) is not int or category(status) is not Category.FAILURE:
            raise self._failed("invalid", f"its status {status!r:.20} is not one of a refusal")
        refused = NotTransformed(
            self._worker, f"refused with status 0x{status:04X}", status=status, kind="refused"
        )
        refused.elements = _elements_in(payload.get("elements"))
        raise refused

    def _changed(self, payload: dict[str, Any], data: bytes | None) -> InstanceFile:
        if wrong := [key for key, kind in _PAYLOAD.items() if type(payload.get(key)) is not kind]:
            raise self._failed("invalid", f"its answer has no valid {wrong[0]}")
        self._check_uids(payload)
        offset, size = payload["offset"], payload["size"]
        if not 0 < size <= self._limit:
            raise self._failed("invalid", f"a data set of {size} bytes; the limit is {self._limit}")
        path = None if data is not None else str(self._path)
        length = len(data) if data is not None else os.stat(self._path).st_size
        if length != offset + size:
            raise self._failed("invalid", f"a file of {length} bytes, but {offset + size} are told")
        digest = digest_of(memoryview(data)[offset:]) if data is not None else self._digest(offset)
        claim = self._instance.claim._replace(
            path=path, offset=offset, size=size, digest=digest, synced=False
        )
        uids = [payload[key] for key in _PAYLOAD if key.endswith("_uid")]
        return self._instance._replace(claim=claim, data=data)._replace(
            sop_class_uid=uids[0], sop_instance_uid=uids[1], transfer_syntax_uid=uids[2]
        )

    def _check_uids(self, payload: dict[str, Any]) -> None:
        if payload["sop_class_uid"] != self._instance.sop_class_uid:
            raise self._failed("invalid", "another SOP class than that of the instance")
        for key in ("sop_instance_uid", "transfer_syntax_uid"):
            if not is_valid(payload[key]):
                raise self._failed("invalid", f"its {key} is not a valid UID")

    def _digest(self, offset: int) -> bytes:
        digest = running_digest()
        with open(self._path, "rb", buffering=0) as file:
            try:
                found = read_file_meta(file).offset
            except Part10Error:
                found = -1
            if found != offset:
                raise self._failed("invalid", "what was written is not the file that was told")
            file.seek(offset)
            while piece := file.read(_PIECE):
                digest.update(piece)
        return digest.digest()


def _elements_in(told: object) -> dict[str, Any]:
    """Return what a refusal says besides its status, as far as it is sound."""
    if not isinstance(told, dict):
        return {}
    comment, tags = told.get("ErrorComment"), told.get("OffendingElement")
    elements: dict[str, Any] = {}
    if isinstance(comment, str) and comment.isprintable():
        elements["ErrorComment"] = comment
    if isinstance(tags, list) and all(type(one) is int and 0 <= one <= _MAX_TAG for one in tags):
        elements["OffendingElement"] = tags
    return elements

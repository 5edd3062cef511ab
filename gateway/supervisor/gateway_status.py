"""The state of a gateway in words: what `dicom-gateway status` shows."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.free_space import free_space, size_text
from gateway.supervisor.child_keeper import ChildState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gateway.settings import Settings
    from gateway.supervisor.child_keeper import ChildKeeper

_FINE = (ChildState.READY, ChildState.STANDBY)
SILENT = 4.0
"""Seconds without a sign of life after which a process is not called well any more; it is replaced
only after `hang_timeout`."""


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """What is known of a running gateway at one moment."""

    settings: Settings
    data: Path
    address: tuple[str, int]
    acceptors: Sequence[ChildKeeper]
    workers: Sequence[ChildKeeper]
    is_stopping: bool = False
    is_drained: bool = False
    troubles: tuple[str, ...] = ()
    """What the supervisor itself has found."""
    revision: int = 1
    """The revision of the configuration that is in force."""

    def as_map(self) -> dict[str, Any]:
        """Return the status as values that JSON can carry."""
        reasons = list(self._reasons())
        gateway = self.settings.gateway
        state = "stopping" if self.is_stopping else "degraded" if reasons else "ok"
        return {
            "state": state,
            "reasons": reasons,
            "pid": os.getpid(),
            "address": list(self.address),
            "ae_title": gateway.ae_title,
            "data": str(self.data),
            "durability": gateway.durability,
            "drained": self.is_drained,
            "revision": self.revision,
            "associations": self._sum("associations"),
            "connections": self._sum("connections"),
            "in_flight": self._sum("in_flight"),
            "disk": self._disk(),
            "index": self._index(),
            "spool": self._spool(),
            "acceptors": [_process(one) for one in self.acceptors],
            "workers": [self._worker(name) for name in self._configured],
            "others": [self._other(n) for n in sorted(self._known() - self._configured.keys())],
        }

    @property
    def _configured(self) -> dict[str, None]:
        """The names of the configured workers, in their order."""
        return {name: None for name, table in self.settings.workers.items() if table.enabled}

    # reasons

    def _reasons(self) -> Iterator[str]:
        """Yield in words what is not as it should be."""
        yield from self.troubles
        if self.is_drained:
            yield "drained: new associations are rejected until `dicom-gateway resume`"
        for keeper in (*self.acceptors, *self.workers):
            if keeper.state not in _FINE:
                text = f": {keeper.text}" if keeper.text else ""
                yield f"{keeper.spec.name} is {keeper.state.value}{text}"
            elif keeper.state is ChildState.READY and self._silence(keeper) > self._longest_silence:
                yield self._silent(keeper)
            if keeper.facts.get("revision", self.revision) < self.revision:
                yield f"{keeper.spec.name} still has revision {keeper.facts['revision']}"
            for text in keeper.facts.get("troubles", {}).values():
                yield f"{keeper.spec.name}: {text}"
        yield from self._unanswered()
        yield from self._shortages()

    @property
    def _longest_silence(self) -> float:
        return max(SILENT, 4 * self.settings.fabric.heartbeat)

    def _silent(self, keeper: ChildKeeper) -> str:
        text = f"{keeper.spec.name} gave no sign of life for {self._silence(keeper):.0f} s"
        limit = self.settings.gateway.hang_timeout
        return f"{text}; after {limit:g} s it is replaced" if limit else text

    @staticmethod
    def _silence(keeper: ChildKeeper) -> float:
        return time.monotonic() - keeper.heard if keeper.is_watched else 0.0

    def _unanswered(self) -> Iterator[str]:
        """Yield the workers without a process at some acceptor, though theirs seem well."""
        for name in self._configured:
            mine = [one for one in self.workers if one.spec.settings["name"] == name]
            if not mine and self.acceptors:
                yield f"worker {name} is not started yet"
            elif all(one.state in _FINE for one in mine):
                for acceptor in self.acceptors:
                    if acceptor.facts and not self._members(acceptor, name):
                        yield f"worker {name} is not registered at {acceptor.spec.name}"

    def _shortages(self) -> Iterator[str]:
        spool = self.settings.spool
        try:
            space = free_space(self.data)
        except OSError as error:
            yield f"disk: {self.data}: {error.strerror}"
            return
        if space.has_few_files:
            yield f"disk: {space}: no instance can be stored"
        elif space.free < spool.min_free:
            text = f"disk: {space}, less than spool.min_free ({size_text(spool.min_free)})"
            yield f"{text}: C-STORE is answered with A700"
        elif space.free < spool.refuse_below:
            text = f"disk: {space}, less than spool.refuse_below ({size_text(spool.refuse_below)})"
            yield f"{text}: associations to store are rejected"

    # parts

    def _sum(self, name: str) -> int:
        return sum(int(one.facts.get(name, 0)) for one in self.acceptors)

    def _known(self) -> set[str]:
        return {name for one in self.acceptors for name in one.facts.get("workers", {})}

    @staticmethod
    def _members(acceptor: ChildKeeper, name: str) -> int:
        return int(acceptor.facts.get("workers", {}).get(name, {}).get("members", 0))

    def _place(self, name: str) -> dict[str, Any]:
        """Return what an acceptor says of a worker."""
        places = [one.facts.get("workers", {}).get(name) for one in self.acceptors]
        return next((place for place in places if place), {})

    def _waiting(self, name: str) -> int:
        """Return how many requests wait for a worker, at all acceptors."""
        told = [one.facts.get("workers", {}).get(name, {}) for one in self.acceptors]
        return sum(int(one.get("waiting", 0)) for one in told)

    def _worker(self, name: str) -> dict[str, Any]:
        mine = [one for one in self.workers if one.spec.settings["name"] == name]
        exceptions = [text for one in mine if (text := one.facts.get("last_exception"))]
        return {
            **self._other(name),
            "restarts": sum(one.restarts for one in mine),
            "last_exception": exceptions[0] if exceptions else "",
            "processes": [_process(one) for one in mine],
        }

    def _other(self, name: str) -> dict[str, Any]:
        place = self._place(name)
        return {
            "name": name,
            "holds": place.get("events", []),
            "generation": place.get("generation", 0),
            "members": place.get("members", 0),
            "waiting": self._waiting(name),
        }

    def _disk(self) -> dict[str, Any]:
        try:
            return free_space(self.data)._asdict()
        except OSError:
            return {"path": str(self.data)}

    def _index(self) -> dict[str, Any]:
        """Return what a worker says of the index it uses."""
        told = [one.facts.get("index") for one in self.workers]
        return next((index for index in told if index), {})

    def _spool(self) -> dict[str, Any]:
        spool = self.data / "spool"
        return {
            "ready": _count(spool / "ready"),
            "quarantine": _count(spool / "quarantine"),
            "failures": self._sum("spool_failures"),
        }


def _process(keeper: ChildKeeper) -> dict[str, Any]:
    hidden = ("workers", "worker", "index")
    return {
        "name": keeper.spec.name,
        "pid": keeper.child.pid if keeper.child else None,
        "state": keeper.state.value,
        "text": keeper.text,
        "restarts": keeper.restarts,
        "last_end": keeper.last_end,
        "silent": round(time.monotonic() - keeper.heard, 1),
        **{name: value for name, value in keeper.facts.items() if name not in hidden},
    }


def _count(folder: Path) -> int | None:
    """Return the number of entries; None if the directory cannot be read."""
    with suppress(OSError):
        return len(os.listdir(folder))
    return None

"""One transaction for all that is in flight (group commit).

While a transaction is committed, those who come in gather for the next one; one of them performs it
for all. Each has a savepoint of its own: what one cannot do does not harm the others. What was
interrupted before it could be committed is done once more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

T = TypeVar("T")

Parameters: TypeAlias = "tuple[Any, ...] | list[Any]"


class Cursor(Protocol):
    """What both databases' cursors have in common."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


Execute: TypeAlias = Callable[..., Cursor]
"""Runs one statement with question marks for its parameters."""
Work: TypeAlias = Callable[[Execute], T]


class Interrupted(Exception):  # noqa: N818 - a state of the connection
    """The connection was lost before COMMIT was sent: nothing of the transaction has happened."""


class _Job:
    def __init__(self, work: Work[Any]) -> None:
        self.work = work
        self.result: Any = None
        self.future: Future[Any] = Future()


class Group:
    """Performs work in transactions that `transaction` opens, one at a time."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Execute]],
        errors: tuple[type[Exception], ...],
    ) -> None:
        self._transaction = transaction
        self._errors = errors
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        """Held by the transaction at work."""
        self._next: list[_Job] | None = None
        """Those who wait for the next one."""

    def perform(self, work: Work[T]) -> T:
        """Return its result once it is committed; raises what it or the database raised."""
        job = _Job(work)
        with self._lock:
            leads = self._next is None
            jobs = self._next = self._next if self._next is not None else []
            jobs.append(job)
        if leads:
            with self._turn:
                with self._lock:
                    self._next = None
                self._perform(jobs)
        result: T = job.future.result()
        return result

    def _perform(self, jobs: list[_Job]) -> None:
        try:
            try:
                self._transact(jobs)
            except Interrupted:
                self._transact([job for job in jobs if not job.future.done()])
        except BaseException as error:
            # none of it happened, whoever's fault it was
            for job in jobs:
                if not job.future.done():
                    job.future.set_exception(_own(error))
            if not isinstance(error, Exception):
                raise
            return
        for job in jobs:
            if not job.future.done():
                job.future.set_result(job.result)

    def _transact(self, jobs: list[_Job]) -> None:
        with self._transaction() as execute:
            for job in jobs:
                self._attempt(job, execute)

    def _attempt(self, job: _Job, execute: Execute) -> None:
        execute("SAVEPOINT one")
        try:
            job.result = job.work(execute)
        except self._errors as error:
            execute("ROLLBACK TO SAVEPOINT one")
            job.future.set_exception(error)
        execute("RELEASE SAVEPOINT one")


def _own(error: BaseException) -> BaseException:
    """Each thread raises its own: a traceback belongs to one."""
    try:
        return type(error)(*error.args)
    except TypeError:
        return error

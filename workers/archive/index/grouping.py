"""Perform several pieces of work in one transaction.

First all of them run without savepoints, which is fastest. If a statement fails, the transaction is
rolled back and repeated with a savepoint for each piece, so that the failure of one does not affect
the others. A transaction that is interrupted before its commit is repeated once, one that another
process contests a few times.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

T = TypeVar("T")


class Cursor(Protocol):
    """The part of a cursor that both databases have."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


Execute: TypeAlias = Callable[..., Cursor]
"""Executes a statement, with question marks for its parameters."""
Work: TypeAlias = Callable[[Execute], T]


class Interrupted(Exception):  # noqa: N818 - a state of the connection
    """The connection was lost before COMMIT was sent: the transaction had no effect."""


class Contested(Interrupted):
    """Another process changed the same rows at the same time: the transaction had no effect."""


_CONTESTED = 5
"""Attempts of a transaction that others contest, before its pieces are tried one by one."""


def nothing(_execute: Execute) -> None:
    """Do nothing in a transaction."""


class _Failed(Exception):  # noqa: N818 - control flow, not an error
    """A statement failed, and with it the transaction."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


@dataclass(frozen=True, slots=True)
class WorkPieces(Generic[T]):
    """Pieces of work: what performs all of them, and each by itself."""

    number: int
    together: Work[list[T]]
    each: Callable[[], list[Work[T]]]
    """Returns the pieces, for when one of them has failed."""


class Group:
    """Performs work in transactions that `transaction` opens, one at a time.

    Within `pipeline` statements need not wait for each other's results.
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Execute]],
        pipeline: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._transaction = transaction
        self._pipeline = pipeline
        self.lock = threading.Lock()
        """Held during a transaction."""

    def perform(
        self,
        pieces: WorkPieces[T],
        prepare: Work[object] = nothing,
        finish: Work[object] = nothing,
        lock: Work[object] = nothing,
        commit: Work[object] = nothing,
    ) -> list[T | Exception]:
        """Return the result of each piece, or its exception, when all is committed.

        `lock` begins each transaction; then `prepare` runs, and again after a rollback; `finish` is
        the last. `commit` may send the COMMIT with the statements before it: for work that may be
        done twice, because nobody knows then whether a connection was lost before or after it.
        Raises the error of the database if the transaction as a whole failed.
        """

        def begin(execute: Execute) -> None:
            lock(execute)
            prepare(execute)

        def end(execute: Execute) -> None:
            finish(execute)
            commit(execute)

        with self.lock:
            for _ in range(_CONTESTED):
                try:
                    return self._together(pieces, begin, end)
                except _Failed as failed:
                    if pieces.number == 1:
                        return [failed.error]
                    break
                except Contested:
                    continue
                except Interrupted:
                    break
            return self._apart(pieces.each(), prepare, finish, lock)

    def _together(
        self, pieces: WorkPieces[T], prepare: Work[object], finish: Work[object]
    ) -> list[T | Exception]:
        failed: Exception | None = None
        try:
            with self._transaction() as execute:
                try:
                    with self._pipeline():
                        prepare(execute)
                        results = pieces.together(execute)
                        finish(execute)
                    return [*results]
                except Exception as error:
                    failed = error
                    raise
        except Exception as error:
            if error is failed:
                raise _Failed(error) from None
            raise

    def _apart(
        self,
        works: Sequence[Work[T]],
        prepare: Work[object],
        finish: Work[object],
        lock: Work[object],
    ) -> list[T | Exception]:
        def whole(execute: Execute, work: Work[T]) -> T:
            prepare(execute)
            result = work(execute)
            finish(execute)
            return result

        with self._transaction() as execute:
            lock(execute)
            return [self._attempt(partial(whole, work=work), execute) for work in works]

    def _attempt(self, work: Work[T], execute: Execute) -> T | Exception:
        execute("SAVEPOINT one")
        result: T | Exception
        try:
            result = work(execute)
        except Exception as error:  # fails this piece only
            execute("ROLLBACK TO SAVEPOINT one")
            result = error
        execute("RELEASE SAVEPOINT one")
        return result

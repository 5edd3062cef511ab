"""One transaction for several pieces of work.

It is done as a whole at first. If a statement of it fails, it is begun anew, and each piece has a
savepoint of its own: what one cannot do does not harm the others. What was interrupted before it
could be committed is done once more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

T = TypeVar("T")


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


class _Failed(Exception):  # noqa: N818 - a way out, not an error
    """A statement failed, and with it the whole."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Group:
    """Performs work in transactions that `transaction` opens, one at a time.

    Within `together` statements need not wait for each other's results.
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Execute]],
        together: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._transaction = transaction
        self._in_one_go = together
        self.turn = threading.Lock()
        """Held by the transaction at work."""

    def perform(
        self, works: Sequence[Work[T]], prepare: Work[object] = lambda _execute: None
    ) -> list[T | Exception]:
        """What each came to, once all is committed: its result, or what it raised.

        `prepare` comes first, and again when something was undone. Raises what the database raises
        if the transaction as a whole came to nothing.
        """
        with self.turn:
            try:
                return self._together(works, prepare)
            except _Failed as failed:
                if len(works) == 1:
                    return [failed.error]
            except Interrupted:
                pass
            return self._apart(works, prepare)

    def _together(self, works: Sequence[Work[T]], prepare: Work[object]) -> list[T | Exception]:
        failed: Exception | None = None
        try:
            with self._transaction() as execute:
                try:
                    with self._in_one_go():
                        prepare(execute)
                        return [work(execute) for work in works]
                except Exception as error:
                    failed = error
                    raise
        except Exception as error:
            if error is failed:
                raise _Failed(error) from None
            raise

    def _apart(self, works: Sequence[Work[T]], prepare: Work[object]) -> list[T | Exception]:
        with self._transaction() as execute:
            return [self._attempt(work, prepare, execute) for work in works]

    def _attempt(self, work: Work[T], prepare: Work[object], execute: Execute) -> T | Exception:
        execute("SAVEPOINT one")
        result: T | Exception
        try:
            prepare(execute)
            result = work(execute)
        except Exception as error:  # whatever is wrong with one, the others go on
            execute("ROLLBACK TO SAVEPOINT one")
            result = error
        execute("RELEASE SAVEPOINT one")
        return result

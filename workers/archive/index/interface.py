"""The interface of the index, and everything that both implementations have in common.

An implementation connects to its database and begins transactions; the statements are the same.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from contextlib import nullcontext
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Self, TypeVar

from gateway.sdk import ConfigError
from workers.archive.index import holds, rebuild, updates
from workers.archive.index.assigning import assign
from workers.archive.index.grouping import Execute, Group, Work, WorkPieces, nothing
from workers.archive.index.notes import add_completion, add_note
from workers.archive.index.originals import write_originals
from workers.archive.index.placing import above_of
from workers.archive.index.reader import IndexReader
from workers.archive.index.schema import MIGRATIONS, POSTGRES, RETIRED
from workers.archive.matching import Equal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from workers.archive.assignments import Assignment
    from workers.archive.attributes import Level
    from workers.archive.index.insertion import NewInstance
    from workers.archive.index.notes import StudyNote
    from workers.archive.index.originals import Original
    from workers.archive.index.records import AddResult, IndexEntry, SharingGateway, Texts

T = TypeVar("T")

_PAGE = 500
"""Instances that are held in one transaction."""


class Index(IndexReader):
    """An index of instances; safe for several threads, and for several processes.

    All methods raise IndexFailure if the database fails. A change then had no effect, or its whole
    effect if the connection was lost during the commit; repeating it is right in both cases. When a
    change returns, it is on disk.
    """

    TYPES: Mapping[str, str]
    """The types of columns, for the schema."""
    names_holders: bool
    """Whether several gateways share the index, so that a row can have another holder."""

    commits_elsewhere = False
    """Whether another process does the work of a commit, so that this one may go on meanwhile."""
    is_file = False
    """Whether it is a file in the archive, which can be taken away."""

    def __init__(self) -> None:
        super().__init__()
        self.patience = 0.0
        """Seconds of an outage of the database for which a request waits."""
        self._group = Group(self._transaction, self._pipeline)

    # implementations define

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Execute]:
        """Begin a transaction on the writing connection."""

    def _lock_studies(self, execute: Execute, study_instance_uids: Iterable[str]) -> None:
        """Wait for other processes' transactions on these studies, until the own one ends.

        Nothing to do where there is one transaction at a time.
        """

    @abstractmethod
    def _insert(self, execute: Execute, new: Sequence[NewInstance]) -> None:
        """Write the rows of new instances, and lines in the journal, in a transaction."""

    def _pipeline(self) -> AbstractContextManager[object]:
        """Send statements without waiting for each other's results, if that is possible."""
        return nullcontext()

    def _commit(self, execute: Execute) -> None:
        """Send the end of the transaction with the statements before, if that is possible."""

    def check(self) -> None:
        """Raise IndexFailure if the index cannot be read at present."""
        self.find("0")

    def clock(self) -> float:
        """Return the time of the database, in seconds since 1970."""
        return time.time()

    def gateways(self) -> dict[str, SharingGateway]:
        """Return the gateways that share the index, by holder; none if nobody can share it."""
        return {}

    def note_gateway(self, own: SharingGateway, silent: float) -> bool:  # noqa: ARG002
        """Note that a gateway is alive, and where; without an address, as it connects from.

        Returns False if another one of this name was alive within the last `silent` seconds.
        """
        return True

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # writing

    def add(
        self, entry: IndexEntry, texts: Texts, *, replace: bool = False, refuse: bool = False
    ) -> AddResult:
        """Add an instance with the values `texts`; return when it is committed.

        If the UID is in the index, the instance is not added, unless `replace` is true. With
        `refuse` it is not added either if its study is stored under another Patient ID alone.
        """
        (added,) = self.add_all([(entry, texts)], replace=replace, refuse=refuse)
        if isinstance(added, Exception):
            raise added
        return added

    def add_all(
        self,
        news: Sequence[tuple[IndexEntry, Texts]],
        *,
        replace: bool = False,
        refuse: bool = False,
        absent: frozenset[str] = frozenset(),
    ) -> list[AddResult | Exception]:
        """Add instances as `add` does, in one transaction; return the result of each.

        An exception in place of a result is the failure of that instance only. `absent`: UIDs that
        were not in the index a moment ago, and are not looked for at first. If one of them has been
        added meanwhile, its constraint fails, and the transaction is repeated with all looked up.
        """
        adding = updates.Adding(
            self.dialect, self._insert, replace=replace, refuse=refuse, absent=absent
        )
        above = [above_of(texts) for _, texts in news]
        pieces: WorkPieces[AddResult] = WorkPieces(
            len(news),
            partial(adding.add_each, news=news, above=above),
            lambda: [
                partial(adding.add, entry=entry, texts=texts, above=values)
                for (entry, texts), values in zip(news, above, strict=True)
            ],
        )
        entries = [entry for entry, _ in news]
        begin = partial(adding.begin, entries=entries, above=set(above))
        studies = {texts.get("StudyInstanceUID") or "" for _, texts in news}
        replaced = [entry.sop_instance_uid for entry in entries]

        def lock(execute: Execute) -> None:
            before = updates.studies_with(execute, replaced) if replace else ()
            self._lock_studies(execute, studies.union(before))

        return self._write_all(pieces, begin, adding.finish, lock, self._commit)

    def relocate(self, entry: IndexEntry) -> None:
        """Set the file of an instance in the index to another one with the same content."""
        self._write(
            lambda execute: updates.relocate(execute, entry),
            self._locking([entry.sop_instance_uid]),
        )

    def set_aside(self, entry: IndexEntry) -> None:
        """Add a file with different content for an instance in the index."""
        self._write(lambda execute: updates.set_aside(execute, entry))

    def drop_conflict(self, entry: IndexEntry) -> None:
        """Remove a file that was set aside."""
        self._write(lambda execute: updates.drop_conflict(execute, entry))

    def remove(self, sop_instance_uids: Iterable[str]) -> list[IndexEntry]:
        """Remove instances in one transaction; their files are then to be deleted."""
        uids = list(sop_instance_uids)
        return self._write(lambda execute: updates.remove(execute, uids), self._locking(uids))

    def remove_unused(
        self, study_instance_uid: str, holder: str, before: str, most: int
    ) -> list[IndexEntry]:
        """Remove up to `most` instances of a holder from a study, whose files are to be deleted.

        No instance is removed if the study received something at `before` (`layout.received`) or
        later, or if a worker needs one of them.
        """
        study = study_instance_uid
        return self._write(
            lambda execute: holds.remove_unused(execute, study, holder, before, most),
            lambda execute: self._lock_studies(execute, [study]),
        )

    def hold(self, owner: str, sop_instance_uids: Iterable[str]) -> None:
        """Note under a name that instances are needed: retention does not delete them."""
        uids = list(sop_instance_uids)
        for begin in range(0, len(uids), _PAGE):
            some = uids[begin : begin + _PAGE]
            self._write(
                partial(holds.hold, owner=owner, sop_instance_uids=some), self._locking(some)
            )

    def let_go(self, owner: str) -> None:
        """Note that what is held under a name is not needed any more."""
        self._write(lambda execute: holds.let_go(execute, owner))

    def note_originals(self, originals: Iterable[tuple[Original, tuple[str, str]]]) -> None:
        """Note what was received, and holder and path of what a transform made of it."""
        noted = list(originals)
        self._write(lambda execute: write_originals(execute, noted))

    def read_to(self, reader: str, seq: int | None) -> None:
        """Note how far a reader of the journal is: retention does not delete what comes after.

        None: it reads the journal no more.
        """
        self._write(lambda execute: holds.read_to(execute, reader, seq))

    def change(self, work: Work[T]) -> T:
        """Perform statements on tables of a worker's own in one transaction; see `outbox`."""
        return self._write(work)

    def forget(self, sop_instance_uid: str) -> None:
        """Remove an instance whose file is gone."""
        uids = [sop_instance_uid]
        self._write(
            lambda execute: updates.remove(execute, uids, delete=False), self._locking(uids)
        )

    def deleted(self, holder: str, paths: Iterable[str]) -> None:
        """Note that files of `to_delete` have been deleted."""
        gone = list(paths)
        self._write(lambda execute: updates.deleted(execute, holder, gone))

    def note_buckets(self, holder: str, buckets: Mapping[str, int]) -> None:
        """Note that buckets agree with the index, with their times of change in nanoseconds."""
        self._write(lambda execute: updates.note_buckets(execute, holder, buckets))

    def note(self, *notes: StudyNote) -> None:
        """Add lines about studies to the journal, in one transaction."""

        def work(execute: Execute) -> None:
            for one in notes:
                add_note(execute, one)

        self._write(work)

    def complete(self, note: StudyNote, after: int) -> bool:
        """Add a line that a study is complete, unless line `after` of the journal is out of date.

        Returns whether it was added: not if after that number there is such a line, or something
        has arrived. Of several processes that do this, one adds it.
        """
        studies = [note.study_instance_uid]
        return self._write(
            lambda execute: add_completion(execute, note, after),
            lambda execute: self._lock_studies(execute, studies),
        )

    def assign(self, assignment: Assignment) -> int:
        """Move a study to the patient of an assignment; return the number of its instances."""
        studies = [assignment.study_instance_uid]
        return self._write(
            lambda execute: assign(execute, self.dialect, assignment),
            lambda execute: self._lock_studies(execute, studies),
        )

    def restore_assignments(self, assignments: Iterable[Assignment]) -> None:
        """Make the assignments that the index does not have yet, or has in an earlier form."""
        known = self.assignments()
        for one in assignments:
            if known.get(one.study_instance_uid, float("-inf")) < one.at:
                self.assign(one)

    def begin_rebuild(self, holder: str, *, anew: bool) -> bool:
        """Forget the files of a holder; return False if an earlier rebuild is to be continued.

        This takes a transaction for a few studies at a time, so that no other gateway waits for
        long. After an interruption it starts over, and the files that are not in the index then
        are found at the next start of their gateway.
        """
        if self.is_rebuilt(holder) and not anew:
            return False
        self._write(lambda execute: rebuild.forget_buckets(execute, holder))
        after = 0
        while found := self._write(partial(rebuild.next_studies, holder=holder, after=after)):
            after = found[-1][0]
            self._write(
                partial(rebuild.forget_studies, holder=holder, studies=[one for one, _ in found]),
                partial(self._lock_studies, study_instance_uids=[uid for _, uid in found]),
            )
        self._write(lambda execute: rebuild.note_begun(execute, holder))
        return True

    def end_rebuild(self, holder: str) -> None:
        """Note that the files of a holder are in the index again."""
        self._write(lambda execute: rebuild.end_rebuild(execute, holder))

    # for implementations

    def _locking(self, uids: Sequence[str]) -> Work[None]:
        """Return what locks the studies of instances."""
        return lambda execute: self._lock_studies(execute, updates.studies_with(execute, uids))

    def _write(self, work: Work[T], lock: Work[object] = nothing) -> T:
        piece = WorkPieces(1, lambda execute: [work(execute)], lambda: [work])
        (result,) = self._write_all(piece, lock=lock)
        if isinstance(result, Exception):
            raise result
        return result

    def _write_all(
        self,
        pieces: WorkPieces[T],
        prepare: Work[object] = nothing,
        finish: Work[object] = nothing,
        lock: Work[object] = nothing,
        commit: Work[object] = nothing,
    ) -> list[T | Exception]:
        try:
            results = self._group.perform(pieces, prepare, finish, lock, commit)
        except self.ERRORS as error:
            raise self._failure("written to", error) from error
        except OSError as error:  # of the lock file
            raise self._failure("written to", error) from error
        return [
            self._failure("written to", one) if isinstance(one, self.ERRORS) else one
            for one in results
        ]

    def _migrate(self, execute: Execute, version: int, where: str) -> None:
        """Bring the tables from this version to the newest; raises ConfigError."""
        if 0 < version <= RETIRED:
            raise ConfigError(
                f"{where} is of an earlier version (schema {version}): stop the gateway and build "
                "it anew with `dicom-gateway archive reindex`, at each gateway that shares it"
            )
        if version > len(MIGRATIONS):
            (oldest,) = execute("SELECT version FROM readable_from").fetchone()
            if oldest <= len(MIGRATIONS):  # only additions, which this version does without
                return
            raise ConfigError(
                f"{where} was written by a newer dicom-gateway (schema {version}; this version "
                f"supports {len(MIGRATIONS)}): use the newer version"
            )
        for statement in chain.from_iterable(MIGRATIONS[version:]):
            if not statement.startswith(POSTGRES) or self.names_holders:
                execute(statement.removeprefix(POSTGRES).format(**self.TYPES))


def one_of(level: Level, column: str, values: Iterable[str]) -> tuple[Level, Equal]:
    """Return a condition for a query: the column of the level is one of the values."""
    return level, Equal((column,), tuple(values))

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.errors import SpoolError
from tests.workers.conftest import fails, offer, stored, unfinished
from workers.archive import Archive, batch_writer
from workers.archive.sync_choice import SyncChoice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestTogether:
    """Several files that one `syncfs` makes durable."""

    @pytest.fixture
    def archive(self, archive):
        archive._writer._can_sync_together = True  # whatever file system the test is on
        return archive

    @pytest.fixture
    def synced(self, archive, root, monkeypatch):
        """For each sync: the unfinished files at its descriptor's opening and now, and the final.

        It fails if `error` is set.
        """
        real, calls = batch_writer.opened_folder, []

        @contextmanager
        def opened(path: Path) -> Iterator[int]:
            calls.append([len(unfinished(root))])
            with real(path) as fd:
                yield fd

        def sync(fd: int) -> None:
            assert os.readlink(f"/proc/self/fd/{fd}") == str(archive._unfinished.path)
            calls[-1] += [len(unfinished(root)), len(stored(root))]
            if self.error:
                raise OSError(self.error, os.strerror(self.error))

        monkeypatch.setattr(batch_writer, "opened_folder", opened)
        monkeypatch.setattr(batch_writer, "sync_file_system", sync)
        return calls

    error = 0

    def keep(self, archive: Archive, offers: list) -> list:
        return archive.keep([batch_writer.Offer(one.claim, one.data) for one in offers])

    def test_names_follow_one_sync_whose_descriptor_is_older_than_all(self, archive, root, synced):
        offers = [offer(None, os.urandom(100)) for _ in range(5)]
        assert self.keep(archive, offers) == [archive.place(one.claim) for one in offers]
        assert synced == [[0, 5, 0]]
        assert sorted(stored(root).values()) == sorted(one.whole for one in offers)
        assert not unfinished(root)

    @pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
    def test_an_error_fails_all_and_is_not_tried_again(
        self, archive, root, ready, synced, monkeypatch, number
    ):
        monkeypatch.setattr(self, "error", number)
        offers = [offer(None), offer(ready), offer(None)]
        results = self.keep(archive, offers)
        assert [getattr(result, "errno", None) for result in results] == [number] * 3
        assert len(synced) == 1
        assert not stored(root)
        assert not unfinished(root)

    def test_a_file_that_cannot_be_written_fails_alone(self, archive, root, synced):
        good, bad = offer(None, b"good"), offer(None, b"bad")
        bad = bad._replace(data=bad.whole[:-1])
        third = offer(None, b"third")
        kept = self.keep(archive, [good, bad, third])
        assert [isinstance(one, SpoolError) for one in kept] == [False, True, False]
        assert synced == [[0, 2, 0]]
        assert set(stored(root).values()) == {good.whole, third.whole}
        assert not unfinished(root)

    def test_one_claim_twice_is_one_file(self, archive, root, synced):
        one, other = offer(None), offer(None)
        name = archive.place(one.claim)
        assert self.keep(archive, [one, one, other]) == [name, name, archive.place(other.claim)]
        assert synced == [[0, 2, 0]]
        assert len(stored(root)) == 2
        assert not unfinished(root)

    def test_a_second_attempt_finds_what_the_first_one_stored(self, archive, root, synced):
        offers = [offer(None), offer(None)]
        names = self.keep(archive, offers)
        again = [batch_writer.Offer(one.claim, one.data, 2) for one in offers]
        archive._writer._choice = SyncChoice()
        assert archive.keep(again) == names
        assert synced[1:] == [[0, 0, 2]]
        assert len(stored(root)) == 2

    def test_no_descriptor_is_left_to_open_it(self, archive, root, monkeypatch):
        monkeypatch.setattr(batch_writer, "opened_folder", fails(errno.EMFILE))
        kept = self.keep(archive, [offer(None), offer(None)])
        assert [one.errno for one in kept] == [errno.EMFILE] * 2
        assert not stored(root)

    def test_another_file_system_syncs_each(self, root, monkeypatch):
        monkeypatch.setattr(batch_writer, "reports_unwritten", lambda _: False)
        monkeypatch.setattr(batch_writer, "sync_file_system", fails(errno.EIO))
        archive = Archive(root, durable=True)
        assert not any(isinstance(one, OSError) for one in self.keep(archive, [offer(None)] * 3))
        archive.close()

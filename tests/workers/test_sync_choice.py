from __future__ import annotations

import pytest

from workers.archive.sync_choice import SyncChoice


@pytest.fixture
def measured():
    """Batches of ten: 2 ms together, 5 ms with a sync for each."""
    choice = SyncChoice()
    choice.took(0.002, 10, 0.0, together=True)
    choice.took(0.005, 10, 0.0, together=False)
    return choice


def test_one_file_is_never_synced_with_the_file_system(measured):
    assert not measured.is_together(1, 0.0)
    assert not SyncChoice().is_together(1, 0.0)


def test_each_way_is_measured_once_before_one_is_chosen():
    choice = SyncChoice()
    assert choice.is_together(10, 0.0)
    choice.took(0.002, 10, 0.0, together=True)
    assert not choice.is_together(10, 0.0)
    choice.took(0.001, 10, 0.0, together=False)
    assert not choice.is_together(10, 0.0)


def test_the_faster_way_is_used(measured):
    assert all(measured.is_together(count, 0.1) for count in (8, 10, 15))
    for _ in range(3):  # large objects are on their way
        measured.took(0.050, 10, 0.1, together=True)
    assert not measured.is_together(10, 0.2)


def test_batches_of_other_sizes_are_measured_by_themselves(measured):
    measured.took(0.002, 2, 0.0, together=True)
    measured.took(0.001, 2, 0.0, together=False)
    assert not measured.is_together(3, 0.0)
    assert measured.is_together(10, 0.0)


def test_the_slower_way_is_tried_again_after_a_hundred_times_its_time(measured):
    assert measured.is_together(10, 0.49)
    assert not measured.is_together(10, 0.51)
    measured.took(0.005, 10, 0.51, together=False)
    assert measured.is_together(10, 0.52)
    for _ in range(5):
        measured.took(0.1, 10, 1.0, together=True)
    assert not measured.is_together(10, 10.9)
    assert measured.is_together(10, 11.1)

"""How many acceptors a machine gets."""

import pytest

from gateway.supervisor.child_specs import acceptor_count


@pytest.mark.parametrize(
    ("cores", "number"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (16, 8), (64, 8)]
)
def test_auto_is_one_for_every_two_cores(cores: int, number: int) -> None:
    assert acceptor_count("auto", cores) == number


@pytest.mark.parametrize("cores", [1, 64])
def test_a_number_is_taken_as_it_is(cores: int) -> None:
    assert acceptor_count(3, cores) == 3

"""What is open is bounded, and no peer takes the part of others."""

from __future__ import annotations

import errno
import os
import queue
import threading
from copy import deepcopy
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from gateway.sdk import event_attributes, testing
from tests.patience import WALL
from workers.archive import file_system
from workers.archive.peer_shares import TooMany, address_of, is_of, limits
from workers.commitment import commitment_worker, transactions
from workers.commitment.delivery import Delivery
from workers.commitment.report import ALL_COMMITTED, Report
from workers.commitment.transactions import Transaction, TransactionFolder

ASKED = Transaction("1.2.3", "CT1", "GATEWAY", 1000.0, (("1.2.4", "1.2.5"),), "10.0.0.1")
MANY, PLENTY = 1_000_000, 1 << 40


def folder(tmp_path, transactions: int = MANY, size: int = PLENTY) -> TransactionFolder:
    return TransactionFolder(
        tmp_path, durable=False, limits=limits(transactions, "transactions", size)
    )


def fill(into: TransactionFolder, **peer: str) -> int:
    """Add transactions of a peer until one is refused; return how many were taken."""
    for number in range(1000):
        try:
            into.add(replace(ASKED, transaction_uid=f"1.2.{number}", **peer))
        except TooMany:
            return number
    raise AssertionError("nothing is refused")


def test_one_peer_gets_a_third_and_the_others_go_on(tmp_path):
    into = folder(tmp_path, transactions=27)
    assert fill(into) == 9
    assert fill(into, peer="CT2") == 3
    assert fill(into, peer="CT1", address="10.0.0.2") == 5
    assert fill(into, peer="MR1", address="10.0.0.3") == 3


def test_titles_that_one_address_makes_up_leave_half_to_the_other_addresses(tmp_path):
    into = folder(tmp_path, transactions=90)
    taken = sum(fill(into, peer=f"CT{number}") for number in range(100))
    assert taken <= 45
    assert fill(into, peer="MR1", address="10.0.0.2") >= 15


def test_bytes_on_disk_are_shared_in_the_same_way(tmp_path):
    into = folder(tmp_path, size=300_000)
    long = tuple(("1.2.4", f"1.2.5.{number:050}") for number in range(1600))
    with pytest.raises(TooMany, match="the peer has 0 bytes open"):
        into.add(replace(ASKED, references=long))
    into.add(replace(ASKED, references=long[:1000]))
    with pytest.raises(TooMany):
        into.add(replace(ASKED, transaction_uid="1.2.9", references=long[:1000]))
    into.add(replace(ASKED, address="10.0.0.2", references=long[:500]))


def test_what_is_asked_for_again_counts_once(tmp_path):
    into = folder(tmp_path, transactions=3)
    into.add(ASKED)
    into.add(replace(ASKED, received=2000.0))
    with pytest.raises(TooMany):
        into.add(replace(ASKED, transaction_uid="1.2.9"))
    assert len(into.names()) == 1


def test_the_share_is_known_after_a_restart(tmp_path):
    assert fill(folder(tmp_path, transactions=9)) == 3
    with pytest.raises(TooMany):
        folder(tmp_path, transactions=9).add(replace(ASKED, transaction_uid="1.3"))


def test_a_stranger_with_the_title_does_not_replace_a_transaction(tmp_path):
    into = folder(tmp_path)
    into.add(ASKED)
    into.add(replace(ASKED, address="10.0.0.66", references=(("1.2.4", "6.6.6"),)))
    assert into.read(ASKED.name) == ASKED
    assert len(into.names()) == 2


def test_a_name_says_whose_transaction_it_is():
    other = replace(ASKED, peer="CT2", address="10.0.0.2")
    assert is_of(ASKED.name, "CT1")
    assert not is_of(other.name, "CT1")
    assert address_of(ASKED.name) != address_of(other.name)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch, number):
    into = folder(tmp_path)

    def fail(path, data, *, sync):
        file_system.write_new(path, data[:10], sync=sync)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(transactions, "write_new", fail)
    with pytest.raises(OSError, match=os.strerror(number)):
        into.add(ASKED)
    assert list((tmp_path / "commitment").iterdir()) == []


def asked_for(transaction: str, number: int) -> Dataset:
    information, item = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.4", "1.2.5"
    information.TransactionUID = transaction
    information.ReferencedSOPSequence = [deepcopy(item) for _ in range(number)]
    return information


def ask(transaction: str, number: int = 1, **peer: str) -> int:
    """Ask, for the same instance so often, as a peer that does not confirm the report."""
    code, _ = testing.n_action(
        commitment_worker.worker, asked_for(transaction, number), status=0x0110, **peer
    )
    return code


def test_a_list_that_is_too_long_is_refused_and_one_with_duplicates_is_not(
    tmp_path, monkeypatch, caplog
):
    bounds = replace(event_attributes.DATA_SET, elements=12)
    monkeypatch.setattr(event_attributes, "DATA_SET", bounds)
    with testing.started(commitment_worker.worker, tmp_path):
        assert ask("1.2.1", number=2) == 0x0000
        assert ask("1.2.1", number=3) == 0x0000, "the same transaction again"
        assert ask("1.2.2", number=4) == 0x0115
        assert "N-ACTION refused: the data set has more than 12 elements" in caplog.text
    assert "Traceback" not in caplog.text


def test_the_worker_refuses_what_is_over_and_what_cannot_be_written(tmp_path, monkeypatch, caplog):
    table = {"most_open": 9}
    with testing.started(commitment_worker.worker, tmp_path, commitment=table):
        codes = [ask(f"1.2.{number}") for number in range(5)]
        assert codes == [0x0000] * 3 + [0x0213] * 2
        assert "N-ACTION refused: the peer has 3 transactions open" in caplog.text
        assert ask("1.2.1", address="10.9.9.9") == 0x0000

        def full(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(transactions, "write_new", full)
        assert ask("1.2.77", address="10.9.9.8") == 0x0213
        assert "N-ACTION refused: No space left on device" in caplog.text


def test_peers_at_an_address_that_do_not_answer_occupy_one_thread(tmp_path):
    into = folder(tmp_path)
    go, sent = threading.Event(), queue.Queue()

    def report(told: Report) -> int:
        sent.put("silent")
        go.wait(WALL)
        return 0x0000

    def other(told: Report) -> int:
        sent.put("other")
        return 0x0000

    delivery = Delivery(
        into,
        lambda transaction: Report(ALL_COMMITTED, Dataset(), 0),
        lambda association: report,
        lambda transaction: other if transaction.peer == "MR1" else report,
        keep_for=1e9,
        now=lambda: 1000.0,
    )
    for number in range(8):
        into.add(replace(ASKED, transaction_uid=f"1.2.{number}", peer=f"CT{number}"))
    delivery.start()
    try:
        assert sent.get(timeout=WALL) == "silent"
        mine = replace(ASKED, peer="MR1", address="10.0.0.2")
        into.add(mine)
        delivery.begin(mine.name)
        assert sent.get(timeout=WALL) == "other"
    finally:
        go.set()
        delivery.stop()

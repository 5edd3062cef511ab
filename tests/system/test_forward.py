"""Store and forward by a whole gateway, to gateways of others and to one of its own kind."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt

from tests.bench.servers import orthanc
from tests.conftest import FAST_ASSOCIATION, short_folder
from tests.peers import instances, procfs, wire
from tests.peers.destination import Destination
from tests.peers.process import COMMAND, Gateway, Program
from tests.peers.scp import dcmtk_storescp
from tests.peers.sender import store_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.raw import Address

COMMITMENT, INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
QUICK = "[forward]\nfirst_pause = 0.2\nlongest_pause = 0.5\n"


def routes(*lines: str, **places: str) -> str:
    """A configuration with these destinations, and one route to the first of them."""
    destinations = "".join(f'{name} = "{place}"\n' for name, place in places.items())
    more = "\n".join(lines)
    names = json.dumps(list(places))
    return f"{QUICK}[destinations]\n{destinations}\n[[routes]]\ndestinations = {names}\n{more}\n"


def at(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


@contextmanager
def running(config: str, data_of: Gateway | None = None) -> Iterator[Gateway]:
    with short_folder() as folder:
        options = () if data_of is None else ("--data", str(data_of.data))
        gateway = Gateway(folder, config=config, options=options)
        try:
            yield gateway
            assert gateway.stop() == 0, gateway.program.report()
        finally:
            gateway.close()


def command(gateway: Gateway, *words: str) -> str:
    """The output of a command on the data of a gateway."""
    config = gateway.folder / "gateway.toml"
    program = Program(COMMAND, *words, "--data", gateway.data, "--config", config)
    assert program.wait() == 0, program.report()
    return program.out.text


def arrived(folder: Path, count: int) -> list[Path]:
    """Wait until so many files have come; return them. Hidden ones are not whole."""

    def files() -> list[Path]:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))

    procfs.until(lambda: len(files()) >= count, what=f"{count} files in {folder}")
    return files()


def store(gateway: Gateway, sent: list[instances.Instance], calling: str = "RAWPEER") -> None:
    outcome = store_all(gateway.address, sent, calling=calling)
    assert not outcome.failed
    assert len(outcome.statuses) == len(sent)


def wait_empty(gateway: Gateway) -> None:
    procfs.until(
        lambda: command(gateway, "outbox", "ls") == "the outbox is empty", what="an empty outbox"
    )


@pytest.mark.peer("dcmtk")
def test_what_is_stored_goes_on_to_dcmtk_byte_for_byte(tmp_path: Path) -> None:
    sent = instances.many(20)
    with dcmtk_storescp(tmp_path) as address, running(routes(PACS=at(address))) as gateway:
        store(gateway, sent)
        files = arrived(tmp_path, len(sent))
        wait_empty(gateway)
        whole = [file.read_bytes() for file in files]
        assert all(any(data.endswith(one.data_set) for data in whole) for one in sent)


def test_a_destination_that_was_down_gets_everything_when_it_returns() -> None:
    sent, pacs = instances.many(30), Destination()
    with running(routes(PACS=pacs.place)) as gateway:
        store(gateway, sent)
        procfs.until(lambda: len(rows_of(gateway)) == len(sent), what="a full outbox")
        assert {one["instance"] for one in rows_of(gateway)} == {one.uid for one in sent}
        procfs.until(lambda: "PACS: failing" in status_of(gateway), what="a status that says so")
        assert "to PACS: 30 waiting, 0 parked, failing" in procfs.until(
            lambda: text if "to PACS: 30" in (text := status_of(gateway)) else "",
            what="a count of what waits",
        )
        with pacs.running():
            assert set(pacs.wait_for(30)) == {one.uid for one in sent}
            wait_empty(gateway)
        assert pacs.data_sets == {one.uid: one.data_set for one in sent}
        assert set(pacs.associations) == {("GATEWAY", "PACS")}


def test_a_retry_ends_the_pause_of_a_destination() -> None:
    sent, pacs = instances.many(3), Destination()
    config = routes(PACS=pacs.place).replace(QUICK, "[forward]\nfirst_pause = 3000.0\n")
    with running(config.replace("first", "longest_pause = 3600.0\nfirst")) as gateway:
        store(gateway, sent)
        procfs.until(lambda: "PACS: failing" in status_of(gateway), what="a status that says so")
        with pacs.running():
            assert command(gateway, "outbox", "retry", "--to", "PACS") == "tried again: 3"
            assert set(pacs.wait_for(3)) == {one.uid for one in sent}
            wait_empty(gateway)


def status_of(gateway: Gateway) -> str:
    program = Program(COMMAND, "status", "--data", gateway.data)
    program.wait()
    return program.out.text


def rows_of(gateway: Gateway, *options: str) -> list[dict]:
    lines = command(gateway, "outbox", "ls", "--rows", "--json", *options).splitlines()
    return [json.loads(line) for line in lines]


def test_what_a_destination_refuses_is_parked_and_the_rest_goes_on() -> None:
    pacs = Destination(sop_classes=(wire.MR,))
    refusing = Destination(answer=lambda uid: 0xA900 if uid.endswith(last) else 0x0000)
    sent = instances.many(5)
    last = sent[2].uid
    config = routes(PACS=pacs.place, OTHER=refusing.place)
    with pacs.running(), refusing.running(), running(config) as gateway:
        store(gateway, sent)
        parked = procfs.until(
            lambda: rows if len(rows := rows_of(gateway, "--state", "parked")) == 6 else None,
            what="six parked rows",
        )
        refused = [row for row in parked if row["destination"] == "OTHER"]
        assert [row["instance"] for row in refused] == [last]
        assert "A900" in refused[0]["reason"]
        assert "CT Image Storage" in parked[0]["reason"]
        assert len(refusing.wait_for(5)) == 5
        procfs.until(lambda: "instances parked: 5" in status_of(gateway), what="a status")
        refusing.answer = lambda _uid: 0x0000
        assert command(gateway, "outbox", "retry", "--instance", last, "--to", "OTHER") == (
            "tried again: 1"
        )
        procfs.until(lambda: len(refusing.got[last]) == 2, what="another attempt")
        assert command(gateway, "outbox", "drop", "--to", "PACS") == "dropped: 5"
        wait_empty(gateway)


def test_a_full_destination_is_waited_for_and_a_failing_instance_is_parked_in_the_end() -> None:
    answers = iter([0xA700, 0xA701, 0x0213])
    sent = instances.many(3)
    bad = sent[1].uid
    full = Destination(answer=lambda uid: next(answers, 0xC001 if uid == bad else 0x0000))
    config = routes(PACS=full.place).replace("[forward]\n", "[forward]\nattempts = 2\n")
    with full.running(), running(config) as gateway:
        store(gateway, sent)
        (row,) = procfs.until(lambda: rows_of(gateway, "--state", "parked"), what="a parked row")
        assert (row["instance"], row["attempts"]) == (bad, 2)
        assert "C001" in row["reason"]
        assert set(full.wait_for(3)) == {one.uid for one in sent}


class Odd(socketserver.BaseRequestHandler):
    """Answers an A-ASSOCIATE-RQ with what is not DICOM, or not at all."""

    def handle(self) -> None:
        self.request.recv(4096)
        if self.server.answer:
            self.request.sendall(self.server.answer)
        else:
            self.request.recv(4096)


@contextmanager
def odd_destination(answer: bytes) -> Iterator[Address]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Odd) as server:
        server.answer, server.daemon_threads = answer, True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address
        server.shutdown()


def test_a_destination_that_answers_garbage_or_nothing_holds_up_nobody_else() -> None:
    pacs, sent = Destination(), instances.many(4)
    with (
        pacs.running(),
        odd_destination(b"HTTP/1.1 400 Bad Request\r\n\r\n") as garbage,
        odd_destination(b"") as silent,
    ):
        places = {"PACS": pacs.place, "GARBAGE": at(garbage), "SILENT": at(silent)}
        with running(f"{FAST_ASSOCIATION}{routes(**places)}") as gateway:
            store(gateway, sent)
            assert set(pacs.wait_for(4)) == {one.uid for one in sent}

            def told() -> bool:
                lines = command(gateway, "outbox", "ls").splitlines()
                failing = {line.split()[0] for line in lines if "failing: " in line}
                return failing == {"GARBAGE", "SILENT"}

            procfs.until(told, what="both named")
            assert all(row["attempts"] == 0 for row in rows_of(gateway))
            assert "Traceback" not in gateway.program.err.text


def test_a_suspended_destination_gets_nothing_until_it_is_resumed() -> None:
    pacs = Destination()
    with pacs.running(), running(routes(PACS=pacs.place)) as gateway:
        assert command(gateway, "outbox", "suspend", "PACS") == "PACS: suspended"
        procfs.until(lambda: "suspended" in command(gateway, "outbox", "ls"), what="suspension")
        gateway.program.err.wait_for("destination=PACS suspended")
        store(gateway, instances.many(3))
        procfs.until(lambda: len(rows_of(gateway)) == 3, what="three rows")
        assert not pacs.got
        command(gateway, "outbox", "resume", "PACS")
        pacs.wait_for(3)
        wait_empty(gateway)
        again = next(iter(pacs.got))
        assert command(gateway, "outbox", "send", again, "--to", "PACS") == (
            "1 are to be sent to PACS"
        )
        procfs.until(lambda: len(pacs.got[again]) == 2, what="another sending")


def test_conditions_decide_and_can_be_tried_and_reloaded() -> None:
    pacs = Destination()
    when = 'when = \'Modality == "CT" and calling == "CT1" and called == "GATEWAY" and address in'
    config = routes(f'{when} ["127.0.0.0/8"]\'', PACS=pacs.place)
    with running(config) as gateway:
        with pacs.running():
            _decided(gateway, pacs)
        moved = Destination()
        file = gateway.folder / "gateway.toml"
        file.write_text(file.read_text().replace(pacs.place, moved.place))
        with moved.running():
            command(gateway, "reload")
            store(gateway, [fourth := instances.make()], calling="CT2")
            assert moved.wait_for(1) == [fourth.uid]
        file.write_text(file.read_text().replace("Modality", "modality"))
        program = Program(COMMAND, "reload", "--data", gateway.data)
        assert program.wait() != 0
        assert "did you mean Modality?" in program.report()


def _decided(gateway: Gateway, pacs: Destination) -> None:
    yes, no = instances.many(2)
    store(gateway, [no], calling="CT2")
    store(gateway, [yes], calling="CT1")
    assert pacs.wait_for(1) == [yes.uid]
    tried = command(gateway, "route", "try", yes.uid)
    assert tried.startswith('route 1: matches to PACS (all): Modality is "CT", address is')
    program = Program(
        *(COMMAND, "route", "try", no.uid, "--data", gateway.data),
        *("--config", gateway.folder / "gateway.toml"),
    )
    assert program.wait() == 1
    assert 'does not match: Modality is "CT"' in program.out.text
    file = gateway.folder / "gateway.toml"
    file.write_text(file.read_text().replace('"CT1"', '"CT2"'))
    command(gateway, "reload")
    store(gateway, [third := instances.make()], calling="CT2")
    assert pacs.wait_for(2)[1:] == [third.uid]


def test_the_next_destination_takes_over_and_instances_are_dealt_out() -> None:
    first, second = Destination(), Destination()
    config = routes('mode = "fail_over"', A=first.place, B=second.place)
    config += '[[routes]]\nname = "turns"\nwhen = \'calling == "RR"\'\n'
    config += 'destinations = ["C", "D"]\nmode = "round_robin"\n'
    third, fourth = Destination(), Destination()
    places = f'C = "{third.place}"\nD = "{fourth.place}"\n'
    config = config.replace("[destinations]\n", f"[destinations]\n{places}")
    with second.running(), third.running(), fourth.running(), running(config) as gateway:
        sent = instances.many(6)
        store(gateway, sent, calling="RR")
        assert set(second.wait_for(6)) == {one.uid for one in sent}
        assert {*third.wait_for(3), *fourth.wait_for(3)} == {one.uid for one in sent}
        assert not first.got


def test_an_ordered_destination_gets_instances_in_order_over_a_failure() -> None:
    sent = instances.many(12)
    failing = iter([0x0110])
    pacs = Destination(answer=lambda uid: next(failing, 0) if uid == sent[5].uid else 0)
    config = routes(PACS=pacs.place).replace(
        f'PACS = "{pacs.place}"',
        f'PACS = {{host = "127.0.0.1", port = {pacs.port}, order = "series", associations = 4}}',
    )
    with pacs.running(), running(config) as gateway:
        store(gateway, sent)
        assert pacs.wait_for(12) == [one.uid for one in sent]
        wait_empty(gateway)
        assert len(pacs.got[sent[5].uid]) == 2


@pytest.mark.parametrize("victims", [("forward-0",), ("storage-0", "acceptor-0", "forward-0")])
def test_after_a_kill_everything_arrives(victims: tuple[str, ...]) -> None:
    sent, pacs = instances.many(60), Destination()
    with running(routes(PACS=pacs.place)) as gateway:
        store(gateway, sent)
        with pacs.running():
            pacs.wait_for(10)
            for name in victims:
                os.kill(gateway.child(name), signal.SIGKILL)
            assert set(pacs.wait_for(60)) == {one.uid for one in sent}
            wait_empty(gateway)
    assert sum(len(times) > 1 for times in pacs.got.values()) <= 32


@pytest.mark.peer("Orthanc")
def test_orthanc_keeps_what_is_sent_on(tmp_path: Path) -> None:
    sent = instances.many(5)
    with orthanc(tmp_path) as server, running(routes(PACS=at(server.address))) as gateway:
        store(gateway, sent)
        wait_empty(gateway)
        files = [path for path in (tmp_path / "storage").rglob("*") if path.is_file()]
        whole = [path.read_bytes() for path in files]
        assert all(any(data.endswith(one.data_set) for data in whole) for one in sent)


def confirming(pacs: Destination, how: str) -> str:
    place = f'PACS = {{host = "127.0.0.1", port = {pacs.port}, confirm = "{how}"}}'
    return routes(PACS=pacs.place).replace(f'PACS = "{pacs.place}"', place)


def test_what_a_destination_does_not_find_is_sent_again() -> None:
    sent, pacs = instances.many(4), Destination()
    lost = sent[1].uid

    def find(event):
        asked = event.identifier.SOPInstanceUID
        for uid in [asked] if isinstance(asked, str) else asked:  # pydicom: one value is no list
            if uid != lost or len(pacs.got[lost]) > 1:
                match = Dataset()
                match.SOPInstanceUID = uid
                yield 0xFF00, match

    pacs.more = [(evt.EVT_C_FIND, find)]
    with pacs.running(), running(confirming(pacs, "find")) as gateway:
        store(gateway, sent)
        procfs.until(lambda: len(pacs.got.get(lost, ())) == 2, what="another attempt")
        wait_empty(gateway)
        assert [len(pacs.got[one.uid]) for one in sent] == [1, 2, 1, 1]


@pytest.mark.parametrize("where", ["the same association", "another one"])
def test_what_a_destination_does_not_commit_to_is_sent_again(where: str) -> None:
    sent, pacs = instances.many(4), Destination()
    lost = sent[1].uid
    gateways: list[Gateway] = []

    def act(event):
        asked = event.action_information
        report = Dataset()
        report.TransactionUID = asked.TransactionUID
        kept = [
            item
            for item in asked.ReferencedSOPSequence
            if item.ReferencedSOPInstanceUID != lost or len(pacs.got[lost]) > 1
        ]
        report.ReferencedSOPSequence = kept
        missing = [item for item in asked.ReferencedSOPSequence if item not in kept]
        for item in missing:
            item.FailureReason = 0x0112
        if missing:
            report.FailedSOPSequence = missing
        threading.Thread(target=tell, args=(event.assoc, report)).start()
        return 0x0000, None

    def tell(assoc, report: Dataset) -> None:
        what = report, 2 if "FailedSOPSequence" in report else 1, COMMITMENT, INSTANCE
        if where == "the same association":
            assoc.send_n_event_report(*what)
            return
        ae = AE("PACS")
        ae.add_requested_context(COMMITMENT)
        role = build_role(COMMITMENT, scp_role=True)
        other = ae.associate(*gateways[0].address, ext_neg=[role])
        assert other.is_established
        status, _ = other.send_n_event_report(*what)
        assert status.Status == 0x0000
        other.release()

    pacs.more = [(evt.EVT_N_ACTION, act)]
    with pacs.running(), running(confirming(pacs, "commitment")) as gateway:
        gateways.append(gateway)
        store(gateway, sent)
        procfs.until(lambda: len(pacs.got.get(lost, ())) == 2, what="another attempt")
        wait_empty(gateway)
        assert [len(pacs.got[one.uid]) for one in sent] == [1, 2, 1, 1]

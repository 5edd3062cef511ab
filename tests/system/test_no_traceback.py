"""No traceback, and no value of a data set, in any log for anything that a peer can send."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.conftest import running, short_folder
from tests.dimse.samples import SAMPLES
from tests.patience import PATIENCE
from tests.peers import instances, wire
from tests.peers.damage import SYNTAXES, damaged, data_sets, identifiers
from tests.peers.raw import EOF, RESET, RawPeer, echo_ok
from tests.peers.workers import UserWorker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.peers.raw import Address

STUDY_ROOT, PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.2.", "1.2.840.10008.5.1.4.1.2.1."
CLASSES = {
    "store": wire.CT,
    "find": f"{STUDY_ROOT}1",
    "move": f"{STUDY_ROOT}2",
    "get": f"{STUDY_ROOT}3",
    "patients": f"{PATIENT_ROOT}1",
}
FIELDS = {"find": 0x0020, "patients": 0x0020, "move": 0x0021, "get": 0x0010}
CONTEXTS = {
    (name, syntax): 3 + 2 * number
    for number, (name, syntax) in enumerate((n, s) for n in CLASSES for s in SYNTAXES)
}
LAST_ID = 0xFFF0
CONFIG = f"""
[archive]
relational = true
combined = true
[destinations]
DOWN = "127.0.0.1:1"
[log]
level = "debug"
[limits]
data_rate_period = {2 * PATIENCE}
[association]
dimse_timeout = {2 * PATIENCE}
network_timeout = {2 * PATIENCE}
"""
WATCHER = """
from gateway import Worker, evt

worker = Worker("watcher")


@worker.on(evt.EVT_PDU_RECV)
def pdu(event):
    return event.pdu


@worker.on(evt.EVT_DIMSE_RECV)
def message(event):
    return event.message, event.message.command_set, event.message.data_set


@worker.on(evt.EVT_ACSE_RECV)
def primitive(event):
    return event.primitive


@worker.on(evt.EVT_N_CREATE)
def create(event):
    return 0x0000, event.attribute_list


@worker.on(evt.EVT_N_ACTION)
def action(event):
    return 0x0000, event.action_information
"""
MPPS = "1.2.840.10008.3.1.2.3.3"
OTHERS = {
    "1.2.840.10008.5.1.4.31": 0x0020,  # modality worklist
    "1.2.840.10008.5.1.4.38.2": 0x0020,  # hanging protocols
    "1.2.840.10008.5.1.4.38.4": 0x0010,
    "1.2.840.10008.5.1.4.1.2.4.3": 0x0010,  # composite instances
    "1.2.840.10008.5.1.4.1.2.5.3": 0x0010,  # without bulk data
    "1.2.840.10008.5.1.4.1.2.4.2": 0x0021,
    "1.2.840.10008.1.20.1": 0x0130,  # storage commitment
    "1.2.840.10008.5.1.1.9": 0x0140,  # print
    "1.2.840.10008.5.1.4.34.6.1": 0x0140,  # UPS
}
"""Classes of services that this gateway may have or not, and an operation of each."""
FIRST_OTHER = 101


class OddPeer:
    """Sends messages, and answers each C-STORE of the gateway in another odd way."""

    def __init__(self, address: Address, dice: random.Random) -> None:
        self._address = address
        self._dice = dice
        self._peer: RawPeer | None = None
        self.answered = 0
        """Messages after which a C-ECHO was answered."""

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def perform(self, messages: Iterable[bytes]) -> None:
        """Send each message, and a C-ECHO behind it; see the response, or the association's end."""
        for message in messages:
            peer = self._peer = self._peer or self._associated()
            if not self._is_accepted(message[10]):
                continue
            peer.try_send(message + wire.message(1, wire.echo_rq(LAST_ID)))
            if self._sees_the_echo(peer):
                self.answered += 1
            else:
                self.close()

    def _is_accepted(self, context_id: int) -> bool:
        accepted = self._peer.accepted if self._peer is not None else None
        return accepted is not None and accepted.contexts[context_id][0] == 0

    def _associated(self) -> RawPeer:
        peer = RawPeer(self._address)
        contexts = [wire.context(1), wire.context(255, MPPS, wire.EXPLICIT)]
        contexts += [wire.context(i, CLASSES[n], s) for (n, s), i in CONTEXTS.items()]
        contexts += [
            wire.context(FIRST_OTHER + 2 * number, uid) for number, uid in enumerate(OTHERS)
        ]
        user = wire.user_information(
            wire.maximum_length(16384), wire.implementation(), wire.role(wire.CT, 1, 1)
        )
        peer.associate(*contexts, user=user)
        return peer

    def _sees_the_echo(self, peer: RawPeer) -> bool:
        asked = b""
        while (got := peer.recv_pdu()) not in (EOF, wire.abort()) and got is not RESET:
            if not isinstance(got, bytes) or got[:1] != b"\x04":
                return False
            for context_id, header, data in wire.parse_pdvs(got):
                if not header & 1:
                    if header & 2 and asked:
                        peer.try_send(self._answer(context_id, asked))
                        asked = b""
                    continue
                elements = wire.parse_command(data)
                if elements[0x0100] == wire.us(0x8030) and elements[0x0120] == wire.us(LAST_ID):
                    return True
                if elements[0x0100] == wire.us(1):
                    asked = elements[0x0110]
        return False

    def _answer(self, context_id: int, message_id: bytes) -> bytes:
        dice = self._dice
        command = wire.command_set(
            wire.element(0x0100, wire.us(0x8001)),
            wire.element(0x0120, message_id + bytes(dice.choice((0, 2)))),
            wire.element(0x0800, wire.us(0x0101)),
            wire.element(0x0900, wire.us(dice.choice((0, 0xB000, 0xFF00, 0xA700, 0xFFFF)))),
            wire.element(0x0901, bytes(dice.randrange(6))),
            wire.element(0x0902, b"\xff\x1b[2J" * dice.randrange(30)),
        )
        return wire.message(context_id, damaged(command, dice) if dice.random() < 0.3 else command)


def stores(dice: random.Random) -> Iterator[bytes]:
    for syntax in SYNTAXES:
        for number, (uid, data) in enumerate(data_sets(syntax, dice, 40), 1):
            yield wire.message(CONTEXTS["store", syntax], wire.store_rq(uid, number), data)


def queries(dice: random.Random) -> Iterator[bytes]:
    for name, field in FIELDS.items():
        for syntax in SYNTAXES:
            for data in identifiers(syntax, dice, 25):
                command = wire.command_set(
                    wire.element(0x0002, wire.uid_value(CLASSES[name])),
                    wire.element(0x0100, wire.us(field)),
                    wire.element(0x0110, wire.us(1)),
                    wire.element(0x0600, dice.choice((b"DOWN", b"NOBODY", b"A\\B ", b""))),
                    wire.element(0x0800, wire.us(1)),
                )
                if syntax == wire.DEFLATED:
                    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
                    data = deflate.compress(data) + deflate.flush()
                yield wire.message(CONTEXTS[name, syntax], command, data)


def whole_retrievals() -> Iterator[bytes]:
    """Yield a C-GET and a C-MOVE of everything that was stored, study by study."""
    level = wire.element(0x0052, b"STUDY ", group=0x0008)
    study = instances.make().uid.rpartition(".")[0] + ".1"
    data = level + wire.element(0x000D, wire.uid_value(study), group=0x0020)
    for name in ("get", "move"):
        command = wire.command_set(
            wire.element(0x0002, wire.uid_value(CLASSES[name])),
            wire.element(0x0100, wire.us(FIELDS[name])),
            wire.element(0x0110, wire.us(2)),
            wire.element(0x0600, b"DOWN"),
            wire.element(0x0800, wire.us(1)),
        )
        yield wire.message(CONTEXTS[name, wire.IMPLICIT], command, data)


def requests_of_other_services(dice: random.Random) -> Iterator[bytes]:
    for number, (uid, field) in enumerate(OTHERS.items()):
        for data in identifiers(wire.IMPLICIT, dice, 5):
            command = wire.command_set(
                wire.element(0x0002, wire.uid_value(uid)),
                wire.element(0x0003, wire.uid_value(uid)),
                wire.element(0x0100, wire.us(field)),
                wire.element(0x0110, wire.us(4)),
                wire.element(0x0600, b"DOWN"),
                wire.element(0x0800, wire.us(1)),
                wire.element(0x1000, b"1.2.3\0"),
                wire.element(0x1001, b"1.2.3\0"),
                wire.element(0x1008, wire.us(1)),
            )
            yield wire.message(FIRST_OTHER + 2 * number, command, data)


def command_sets(dice: random.Random) -> Iterator[bytes]:
    ids = [1, 255, *CONTEXTS.values()]
    for sample in SAMPLES:
        for _ in range(4):
            command = sample.encode(dice.random() < 0.5)
            yield wire.message(dice.choice(ids), damaged(command, dice), None)
            yield wire.message(dice.choice(ids), command, dice.choice((None, b"", b"\xff" * 20)))


def normalized(dice: random.Random) -> Iterator[bytes]:
    for field in (0x0140, 0x0120, 0x0130, 0x0110, 0x0150, 0x0100):
        for data in identifiers(wire.EXPLICIT, dice, 6):
            command = wire.command_set(
                wire.element(0x0002, wire.uid_value(MPPS)),
                wire.element(0x0003, wire.uid_value(MPPS)),
                wire.element(0x0100, wire.us(field)),
                wire.element(0x0110, wire.us(3)),
                wire.element(0x0800, wire.us(1)),
                wire.element(0x1000, b"1.2.3\0"),
                wire.element(0x1001, b"1.2.3\0"),
                wire.element(0x1002, wire.us(1)),
                wire.element(0x1008, wire.us(1)),
            )
            yield wire.message(255, command, data)


def damaged_pdus(dice: random.Random) -> Iterator[bytes]:
    """Yield whole connections, from the first byte."""
    user = wire.user_information(
        *(wire.maximum_length(0), wire.implementation(), wire.version_name()),
        *(wire.async_window(3, 3), wire.role(wire.CT, 1, 1), wire.user_identity(2, b"u", b"p")),
        wire.sop_extended(f"{STUDY_ROOT}1", b"\1\1"),
    )
    request = wire.associate_rq(wire.context(1), wire.context(3, wire.CT, "1.2"), user=user)
    for _ in range(60):
        yield damaged(request, dice) + wire.message(1, wire.echo_rq(1))
    one = instances.make()
    associated = wire.associate_rq(one.context())
    message = wire.message(1, wire.store_rq(one.uid, 1), one.data_set)
    for _ in range(60):
        yield associated + damaged(message[:900], dice) + wire.release_rq()
    for kind in (1, 2, 3, 5, 6, 7, 9):
        yield associated + wire.pdu(kind, b"\xff" * 80)


@pytest.fixture
def gateway():
    with (
        running(CONFIG) as gateway,
        short_folder() as folder,
        UserWorker(folder, WATCHER, gateway.data, name="watcher") as worker,
    ):
        worker.wait_ready()
        yield gateway
        worker.terminate()
        worker.wait()
        _check(worker.err.text)


def test_bad_input_leaves_no_traceback(gateway) -> None:
    acceptor, dice = gateway.child("acceptor-0"), random.Random(12)
    for stream in damaged_pdus(dice):
        with RawPeer(gateway.address) as raw:
            raw.try_send(stream)
            raw.shutdown()
            raw.recv_all()
    peer = OddPeer(gateway.address, dice)
    kinds = stores, queries, command_sets, normalized, requests_of_other_services
    try:
        for kind in kinds:
            peer.perform(kind(dice))
        for _ in range(5):
            peer.perform(whole_retrievals())
    finally:
        peer.close()
    assert peer.answered > 500, "nearly all of it can be answered"
    assert echo_ok(gateway.address)
    assert gateway.child("acceptor-0") == acceptor
    _check(gateway.program.err.text)


def _check(log: str) -> None:
    before, found, after = log.partition("Traceback")
    assert not found, before[-1000:] + found + after[:4000]
    told = [line for line in log.splitlines() if "ZORBLAX" in line]
    assert not told, "\n".join(told[:20])

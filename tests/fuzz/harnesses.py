"""What is fuzzed: functions that take any bytes, and return or raise only what they document.

Streams are fed whole and byte by byte, and both must come to the same end. Each harness has seeds,
from which the fuzzer starts; inputs that once failed are in `corpus/NAME`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.data import get_testdata_file

from gateway.datasets.bounded import IDENTIFIER, decode_bounded
from gateway.datasets.errors import DatasetError
from gateway.dimse.assembler import Assembler, DataFragment
from gateway.errors import FabricError, RemoteProtocolError
from gateway.fabric.wire import envelopes
from gateway.part10.identity import IdentityScan
from gateway.ul.primitives import PDataPart
from tests.dimse.samples import SAMPLES
from tests.peers import wire
from tests.ul import support
from workers.archive import header
from workers.archive.identifier import FIND, Model, find_query, retrieve_query
from workers.archive.matching import BadIdentifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gateway.ul.upper_layer import UpperLayer

_MODELS = [Model.of(uid) for uid in sorted(FIND)]
SYNTAXES = (wire.IMPLICIT, wire.EXPLICIT, wire.BIG_ENDIAN, wire.DEFLATED)


@dataclass(frozen=True)
class Harness:
    """One target. `run` raises for an input that is not handled as documented."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


def _bytes(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[at : at + 1] for at in range(len(view)))


# PDUs: the first byte of the input chooses the state


def _upper_layer(data: bytes) -> None:
    make = (support.acceptor, support.answered, support.connected, support.confirmed)[data[0] % 4]
    whole, slow = make(), make()
    whole.receive_data(data[1:], 1.0)
    for one in _bytes(data[1:]):
        slow.receive_data(one, 1.0)
    assert _outcome(whole) == _outcome(slow)


def _outcome(upper: UpperLayer) -> tuple[object, ...]:
    """Return what a machine has come to; parts of a PDV are joined, as they depend on the reads."""
    told: list[object] = []
    data = bytearray()
    for primitive in support.drain(upper):
        if isinstance(primitive, PDataPart):
            data += primitive.data
            if primitive.last:
                told.append((primitive.context_id, primitive.command, bytes(data)))
                data.clear()
        else:
            told.append(primitive)
    return upper.state, told, bytes(data), support.sent(upper), upper.closing


def _pdu_seeds() -> Iterator[bytes]:
    user = wire.user_information(
        *(wire.maximum_length(0), wire.implementation(), wire.version_name()),
        *(wire.async_window(3, 3), wire.role(wire.CT, 1, 1), wire.user_identity(2, b"u", b"p")),
    )
    echo = wire.message(1, wire.echo_rq(1))
    for state in range(4):
        for pdu in (
            wire.associate_rq(wire.context(1), wire.context(3, wire.CT, "1.2"), user=user),
            wire.associate_ac((1, 0, wire.IMPLICIT), (3, 3, ""), user=user),
            wire.associate_rj(1, 1, 3),
            echo,
            echo + wire.release_rq(),
            wire.release_rp(),
            wire.abort(2, 1),
        ):
            yield bytes([state]) + pdu


# messages: the first byte says where the command set ends and the data set begins


def _messages(data: bytes) -> None:
    command, rest = data[1 : 1 + data[0] * 4], data[1 + data[0] * 4 :]
    whole = _message(*([one] if one else [] for one in (command, rest)))
    assert whole == _message(list(_bytes(command)), list(_bytes(rest)))


def _message(command: list[bytes], data_set: list[bytes]) -> tuple[object, ...]:
    assembler, told, data = Assembler(), [], bytearray()
    pieces = [(True, one, at == len(command) - 1) for at, one in enumerate(command)]
    pieces += [(False, one, at == len(data_set) - 1) for at, one in enumerate(data_set)]
    try:
        for is_command, one, is_last in pieces:
            for event in assembler.receive(PDataPart(1, is_command, is_last, memoryview(one))):
                if isinstance(event, DataFragment):
                    data += event.data
                else:
                    told.append(event)
    except RemoteProtocolError as error:
        return str(error), repr(told), bytes(data)
    return assembler.is_open, repr(told), bytes(data)


def _message_seeds() -> Iterator[bytes]:
    for sample in SAMPLES:
        for has_data_set in (False, True):
            command = sample.encode(has_data_set)
            command += bytes(-len(command) % 4)
            if len(command) < 1024:
                yield (
                    bytes([len(command) // 4]) + command + (b"\x08\0\x16\0\2\0\0\0" * has_data_set)
                )


# envelopes


def _envelope(data: bytes) -> None:
    try:
        envelope = envelopes.decode(data)
    except FabricError:
        return
    again = envelopes.decode(envelope.encode())
    assert again == envelope or repr(again) == repr(envelope)  # NaN is not equal to itself


def _envelope_seeds() -> Iterator[bytes]:
    yield envelopes.Heartbeat(1).encode() if len(envelopes.Heartbeat.CHECKS) == 1 else b"\x92\2\x80"
    for kind in envelopes.ENVELOPES:
        yield bytes([0x93, kind, 0x01, 0x80])
        yield bytes([0x95, kind, 0x01, 0xA1, 0x61, 0xC4, 0x01, 0x00, 0x80])


# data sets: the first byte chooses the transfer syntax


def _header_scan(data: bytes) -> None:
    syntax, encoded = SYNTAXES[data[0] % 4], data[1:]
    header.scan(encoded, syntax)
    whole, slow = IdentityScan(syntax), IdentityScan(syntax)
    whole.feed(encoded)
    for one in _bytes(encoded):
        slow.feed(one)
    uids = [(s.sop_class_uid, s.sop_instance_uid, s.has_group_2) for s in (whole, slow)]
    assert uids[0] == uids[1]


def _data_set_seeds() -> Iterator[bytes]:
    for number, syntax in enumerate(SYNTAXES):
        element = wire.element if syntax == wire.IMPLICIT else _explicit
        yield bytes([number]) + element(0x0016, b"1.2 ", 0x0008) + element(0x000D, b"1.3\0", 0x0020)
    for name in ("MR_small_implicit.dcm", "CT_small.dcm", "MR_small_bigendian.dcm"):
        path = get_testdata_file(name)
        with open(str(path), "rb") as file:
            yield bytes([SYNTAXES.index(_SYNTAX_OF[name])]) + file.read()[132:4000]


_SYNTAX_OF = {
    "MR_small_implicit.dcm": wire.IMPLICIT,
    "CT_small.dcm": wire.EXPLICIT,
    "MR_small_bigendian.dcm": wire.BIG_ENDIAN,
}


def _explicit(number: int, value: bytes, group: int) -> bytes:
    head = group.to_bytes(2, "little") + number.to_bytes(2, "little")
    return head + b"UI" + len(value).to_bytes(2, "little") + value


def _identifier(data: bytes) -> None:
    try:
        identifier = decode_bounded(data[1:], SYNTAXES[data[0] % 4], IDENTIFIER)
    except DatasetError:
        return
    for model in _MODELS:
        for query in (find_query, retrieve_query):
            try:
                query(identifier, model, relational=True)
            except (BadIdentifier, DatasetError):
                continue


def _identifier_seeds() -> Iterator[bytes]:
    level = wire.element(0x0052, b"STUDY ", 0x0008)
    keys = wire.element(0x0010, b"A*^B=?", 0x0010) + wire.element(0x000D, b"1.2\\1.3 ", 0x0020)
    yield b"\0" + level + keys
    yield b"\0" + wire.element(0x0005, b"\\ISO 2022 IR 87 ", 0x0008) + level + keys
    yield b"\0" + wire.element(0x0020, b"20260101-20261231 ", 0x0008) + level


HARNESSES = {
    "pdu": Harness(_upper_layer, _pdu_seeds),
    "message": Harness(_messages, _message_seeds),
    "envelope": Harness(_envelope, _envelope_seeds),
    "header": Harness(_header_scan, _data_set_seeds),
    "identifier": Harness(_identifier, _identifier_seeds),
}

"""C-MOVE from a handler to a storage SCP of somebody else's (pynetdicom)."""

import queue
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace

import msgpack
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    MRImageStorage,
)
from pynetdicom import AE
from pynetdicom import evt as theirs

from gateway import evt
from gateway.association.timers import Timeouts
from gateway.datasets.coding import decode, encode
from gateway.datasets.conversion import encoded_instance
from gateway.sdk.bound_handler import BoundHandler
from gateway.sdk.executor import Executor, HandlerLoop
from gateway.sdk.move.routes import Routes
from gateway.settings import Destination
from gateway.spool import Claim
from tests.patience import WALL
from tests.sdk.conftest import ASSOC, TOKEN, dimse_event, part10

WAIT = WALL
COUNTERS = ("Completed", "Failed", "Warning", "Remaining")


class Scp:
    """A storage SCP: what it stored, and what it thought of its associations."""

    def __init__(self, contexts=((CTImageStorage, [ExplicitVRLittleEndian]),), answer=None):
        self.stored = []
        self.titles = []
        self.proposed = []
        self.data_sets = []
        self.ended = queue.SimpleQueue()
        self.rejected = lambda: None
        self._answer = answer or (lambda event: 0x0000)
        self._ae = AE("THEM")
        for sop_class, syntaxes in contexts:
            self._ae.add_supported_context(sop_class, syntaxes)
        handlers = [
            (theirs.EVT_C_STORE, self._store),
            (theirs.EVT_ACCEPTED, lambda e: self.titles.append(_titles(e))),
            (theirs.EVT_ACCEPTED, lambda e: self.proposed.append(_proposed(e))),
            (theirs.EVT_RELEASED, lambda e: self.ended.put("released")),
            (theirs.EVT_ABORTED, lambda e: self.ended.put("aborted")),
            (theirs.EVT_REJECTED, lambda e: self.rejected()),
        ]
        self._server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.address = self._server.server_address

    def _store(self, event):
        request = event.request
        origin = request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID
        self.stored.append((request.AffectedSOPInstanceUID, event.context[2], origin))
        self.data_sets.append(request.DataSet.getvalue())
        return self._answer(event)

    def close(self):
        self._server.shutdown()


def _titles(event):
    return event.assoc.requestor.primitive.calling_ae_title, event.assoc.acceptor.primitive


def _proposed(event):
    contexts = event.assoc.requestor.requested_contexts
    return [(c.abstract_syntax, tuple(c.transfer_syntax)) for c in contexts]


@contextmanager
def scp(**more):
    made = Scp(**more)
    try:
        yield made
    finally:
        made.close()


def image(number=1, sop_class=CTImageStorage):
    made = Dataset()
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = f"1.2.3.{number}"
    return made


class Mover:
    """One request at a time, through an executor."""

    def __init__(self, destinations=None, timeouts=None):
        self.loop, self.routes = HandlerLoop(), Routes(destinations, timeouts)
        self.replies = queue.SimpleQueue()
        self.executor = Executor(1, self._send, loop=self.loop, routes=self.routes)
        self.executor.start()

    def _send(self, token, reply):
        self.replies.put(reply)
        return True

    def begin(self, handler):
        event = dimse_event(
            evt.EVT_C_MOVE, syntax=ImplicitVRLittleEndian, MoveDestination="THEM", Priority=2
        )
        event._blob = msgpack.packb(ASSOC)
        self.executor.submit("t", BoundHandler(evt.EVT_C_MOVE, handler), event, 30.0)

    def next(self):
        reply = self.replies.get(timeout=WAIT)
        elements = reply.payload.get("elements", {})
        counters = [elements.get(f"NumberOf{name}Suboperations") for name in COUNTERS]
        what = reply.payload.get("status", reply.payload.get("failed", reply.payload.get("number")))
        return what, counters, reply

    def move(self, *values):
        """Return the answers that the acceptor gets from a handler that yields these values."""
        self.begin(lambda event: iter(values))
        return self.rest()

    def rest(self):
        """Return the answers up to the final one."""
        told = [self.next()]
        while not told[-1][2].final:
            told.append(self.next())
        return told

    def close(self):
        self.executor.stop()
        self.loop.stop()
        self.routes.close()


@pytest.fixture
def mover():
    made = Mover()
    yield made
    made.close()


def failed_list(reply):
    return decode(reply.data, ImplicitVRLittleEndian).FailedSOPInstanceUIDList


def test_data_sets_are_stored_at_the_destination(mover):
    with scp() as them:
        told = mover.move(them.address, 2, (0xFF00, image(1)), (0xFF00, image(2)))
        assert [(what, counters) for what, counters, _ in told] == [
            (2, [None] * 4),
            (0xFF00, [1, 0, 0, 1]),
            (0xFF00, [2, 0, 0, 0]),
            (0x0000, [2, 0, 0, None]),
        ]
        origin = ("MODALITY", 9)
        assert them.stored == [
            ("1.2.3.1", ExplicitVRLittleEndian, origin),
            ("1.2.3.2", ExplicitVRLittleEndian, origin),
        ]
        assert them.ended.get(timeout=WAIT) == "released"
        assert [calling for calling, _ in them.titles] == ["GATEWAY"]


def test_files_and_claims_are_sent_without_decoding(mover, tmp_path):
    odd = [(CTImageStorage, [JPEGBaseline8Bit, ExplicitVRLittleEndian])]
    first, second = tmp_path / "1.dcm", tmp_path / "2.dcm"
    first.write_bytes(_jpeg(image(1)))
    whole, offset = part10(image(2), ExplicitVRLittleEndian)
    second.write_bytes(whole)
    claim = Claim(TOKEN, str(second), offset, len(whole) - offset, bytes(32))
    with scp(contexts=odd) as them:
        told = mover.move(them.address, 2, (0xFF00, str(first)), (0xFF00, claim))
        assert told[-1][:2] == (0x0000, [2, 0, 0, None])
        assert [syntax for _, syntax, _ in them.stored] == [
            JPEGBaseline8Bit,
            ExplicitVRLittleEndian,
        ]


def _jpeg(made):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    prefix = bytes(128) + b"DICM" + encode(meta, ExplicitVRLittleEndian)
    return prefix + encode(made, ExplicitVRLittleEndian)


def test_instances_in_memory_are_sent_as_they_are(mover):
    odd = [(CTImageStorage, [JPEGBaseline8Bit])]
    first, second = (encoded_instance(image(n), JPEGBaseline8Bit) for n in (1, 2))
    with scp(contexts=odd) as them:
        broken = replace(second, transfer_syntax_uid="1.2")
        told = mover.move(them.address, 2, (0xFF00, first), (0xFF00, broken))
        assert told[-1][:2] == (0xB000, [1, 1, 0, None])
        assert [stored[:2] for stored in them.stored] == [("1.2.3.1", JPEGBaseline8Bit)]
        assert failed_list(told[-1][2]) == "1.2.3.2"


def test_what_was_not_proposed_takes_another_association(mover, tmp_path):
    both = [(CTImageStorage, [ExplicitVRLittleEndian]), (MRImageStorage, [JPEGBaseline8Bit])]
    path = tmp_path / "mr.dcm"
    path.write_bytes(_jpeg(image(2, MRImageStorage)))
    with scp(contexts=both) as them:
        told = mover.move(them.address, 3, (0xFF00, image(1)), (0xFF00, path), (0xFF00, image(3)))
        assert told[-1][:2] == (0x0000, [3, 0, 0, None])
        assert len(them.titles) == 2, "the second one takes the third instance as well"


ANY = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
SC = "1.2.840.10008.5.1.4.1.1.7"


def both_implicit(folder):
    """The files of an SC and an MR of one study, and their data sets."""
    found = []
    for number, sop_class in enumerate((SC, MRImageStorage)):
        whole, offset = part10(image(number, sop_class), ImplicitVRLittleEndian)
        (folder / f"{number}.dcm").write_bytes(whole)
        found.append((folder / f"{number}.dcm", whole[offset:]))
    return found


@pytest.mark.parametrize("is_expected", [True, False])
def test_what_the_destination_takes_is_sent_byte_for_byte(mover, tmp_path, is_expected):
    (sc, first), (mr, second) = both_implicit(tmp_path)
    kinds = [(SC, ImplicitVRLittleEndian), (MRImageStorage, ImplicitVRLittleEndian)]
    options = {"expected": kinds} if is_expected else {}
    with scp(contexts=[(SC, ANY), (MRImageStorage, ANY)]) as them:
        told = mover.move((*them.address, options), 2, (0xFF00, sc), (0xFF00, mr))
        assert told[-1][:2] == (0x0000, [2, 0, 0, None])
        assert {syntax for _, syntax, _ in them.stored} == {ImplicitVRLittleEndian}
        assert them.data_sets == [first, second]
        assert len(them.titles) == (1 if is_expected else 2)


def test_only_what_is_to_be_sent_is_proposed(mover):
    with scp() as them:
        mover.move(them.address, 1, (0xFF00, image()))
        assert them.proposed == [
            [
                (CTImageStorage, (ExplicitVRLittleEndian,)),
                (CTImageStorage, (ImplicitVRLittleEndian, ExplicitVRBigEndian)),
            ]
        ]


def test_more_kinds_than_an_association_has_contexts(mover):
    """What does not fit takes another association, in which it comes first."""
    kinds = [(f"1.2.9.{n}", ImplicitVRLittleEndian) for n in range(100)]
    kinds += [(MRImageStorage, ExplicitVRLittleEndian), (CTImageStorage, ExplicitVRLittleEndian)]
    taken = [(uid, [ExplicitVRLittleEndian]) for uid in (CTImageStorage, MRImageStorage)]
    with scp(contexts=taken) as them:
        instances = image(1), image(2, MRImageStorage), image(3)
        there = (*them.address, {"expected": kinds})
        told = mover.move(there, 3, *((0xFF00, one) for one in instances))
        assert told[-1][:2] == (0x0000, [3, 0, 0, None])
        assert [proposed[0][0] for proposed in them.proposed] == [
            CTImageStorage,
            MRImageStorage,
            CTImageStorage,
        ]
        assert {len(proposed) for proposed in them.proposed} == {128}


def test_the_destination_converts_nothing_so_we_do(mover, tmp_path):
    path = tmp_path / "ct.dcm"
    path.write_bytes(part10(image(), ExplicitVRLittleEndian)[0])
    with scp(contexts=[(CTImageStorage, [ImplicitVRLittleEndian])]) as them:
        told = mover.move(them.address, 2, (0xFF00, path), (0xFF00, image(2)))
        assert told[-1][:2] == (0x0000, [2, 0, 0, None])
        assert {syntax for _, syntax, _ in them.stored} == {ImplicitVRLittleEndian}


def test_some_fail_and_some_are_stored_with_a_warning(mover):
    statuses = iter([0xA700, 0xB000, 0x0000])
    with scp(answer=lambda event: next(statuses)) as them:
        told = mover.move(them.address, 3, *((0xFF00, image(n)) for n in (1, 2, 3)))
        what, counters, final = told[-1]
        assert (what, counters) == (0xB000, [1, 1, 1, None])
        assert failed_list(final) == "1.2.3.1"


def test_all_fail(mover):
    with scp(answer=lambda event: 0xA700) as them:
        what, counters, final = mover.move(them.address, 2, *((0xFF00, image(n)) for n in (1, 2)))[
            -1
        ]
        assert (what, counters) == (0xA702, [0, 2, 0, None])
        assert failed_list(final) == ["1.2.3.1", "1.2.3.2"]


def test_what_cannot_be_sent_fails_alone(mover, tmp_path):
    broken = image(2)
    broken.Rows = 1
    broken["Rows"]._value = "many"
    with scp() as them:
        told = mover.move(
            them.address,
            5,
            *((0xFF00, what) for what in (image(1), broken, tmp_path / "no", None, image(5))),
        )
        what, counters, final = told[-1]
        assert (what, counters) == (0xB000, [2, 3, 0, None])
        assert failed_list(final) == "1.2.3.2", "the others have no name"


def test_more_than_announced(mover):
    with scp() as them:
        told = mover.move(them.address, 1, (0xFF00, image(1)), (0xFF00, image(2)))
        assert told[-1][:2] == (0xB000, [2, 0, 0, None])


def test_fewer_than_announced(mover):
    with scp() as them:
        told = mover.move(them.address, 3, (0xFF00, image(1)))
        assert told[-1][:2] == (0xB000, [1, 2, 0, None])


def test_a_failure_of_the_handler(mover):
    mine = Dataset()
    mine.FailedSOPInstanceUIDList = ["9.9"]
    with scp() as them:
        told = mover.move(them.address, 3, (0xFF00, image(1)), (0xA702, mine))
        assert told[-1][:2] == (0xA702, [1, 2, 0, None])
        assert failed_list(told[-1][2]) == "9.9"


def test_a_handler_that_raises_later(mover):
    with scp() as them:

        def handle(event):
            yield them.address
            yield 2
            yield 0xFF00, image(1)
            raise KeyError("x")

        mover.begin(handle)
        told = [mover.next() for _ in range(3)]
        assert told[-1][:2] == (0xC511, [1, 1, 0, None])
        assert them.ended.get(timeout=WAIT) == "released"


def test_a_cancel_that_the_handler_heeds(mover):
    with scp() as them:
        sent = threading.Event()

        def handle(event):
            yield them.address
            yield 3
            yield 0xFF00, image(1)
            sent.set()
            assert event.cancellation.wait(WAIT)
            yield 0xFE00, None

        mover.begin(handle)
        assert sent.wait(WAIT)
        mover.executor.cancel("t", unwanted=False)
        assert mover.rest()[-1][:2] == (0xFE00, [1, 0, 0, 2])
        assert them.ended.get(timeout=WAIT) == "released"


def test_nobody_awaits_it_any_more(mover):
    with scp() as them:
        sent, closed = threading.Event(), threading.Event()

        def handle(event):
            try:
                yield them.address
                yield 3
                yield 0xFF00, image(1)
                sent.set()
                assert event.cancellation.wait(WAIT)
                yield 0xFF00, image(2)
            finally:
                closed.set()

        mover.begin(handle)
        assert sent.wait(WAIT)
        mover.executor.cancel("t", unwanted=True)
        assert closed.wait(WAIT)
        assert them.ended.get(timeout=WAIT) == "aborted"
        assert len(them.stored) == 1


@pytest.mark.parametrize("calling", [["SOMEBODY"], []])
def test_a_destination_that_cannot_be_reached(mover, calling):
    with scp() as them:
        if calling:
            them._ae.require_calling_aet = calling
        address = them.address if calling else ("127.0.0.1", 1)
        told = mover.move(address, 3, (0xFF00, image(1)), (0xFF00, image(2)))
        assert told[-1][:2] == (0xA801, [0, 3, 0, None])
        assert failed_list(told[-1][2]) == ["1.2.3.1", "1.2.3.2"]
        assert len(told) == 2


@contextmanager
def named(destination, timeouts=None):
    made = Mover({"DOWN": destination}, timeouts)
    try:
        yield made
    finally:
        made.close()


def test_a_destination_of_the_table_that_is_down():
    with named(Destination("127.0.0.1", 1)) as mover:
        told = mover.move("DOWN", 3, *((0xFF00, image(n)) for n in (1, 2, 3)))
    assert [one[0] for one in told] == [3, 0xA702]
    assert told[-1][1] == [0, 3, 0, None]
    assert failed_list(told[-1][2]) == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
    comment = told[-1][2].payload["elements"]["ErrorComment"]
    assert comment == "No association with the move destination"


def test_a_handler_that_raises_or_fails_after_that():
    def raises(event):
        yield "DOWN"
        yield 2
        yield 0xFF00, image(1)
        raise KeyError("x")

    with named(Destination("127.0.0.1", 1)) as mover:
        mover.begin(raises)
        assert [mover.next()[0] for _ in range(2)] == [2, 0xA702]
        assert mover.move("DOWN", 2, (0xFF00, image(1)), (0xFE00, None))[-1][:2] == (
            0xFE00,
            [0, 1, 0, 1],
        )


def test_the_destination_has_the_configured_time_to_answer():
    """It takes the connection, and never answers the A-ASSOCIATE-RQ."""
    timeouts = Timeouts(acse=0.05, dimse=WALL)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        named(Destination(*silent.getsockname()), timeouts) as mover,
    ):
        told = mover.move("DOWN", 1, (0xFF00, image(1)))
    assert told[-1][:2] == (0xA702, [0, 1, 0, None])


@pytest.mark.parametrize("title", ["A\\B", "K\xd6LN", "A\nB"])
def test_a_calling_title_that_no_element_can_hold_is_left_out(mover, title, monkeypatch):
    monkeypatch.setitem(ASSOC["requestor"], "ae_title", title)
    with scp() as them:
        assert mover.move(them.address, 1, (0xFF00, image(1)))[-1][:2] == (0, [1, 0, 0, None])
        assert them.stored == [("1.2.3.1", ExplicitVRLittleEndian, (None, None))]


def test_a_data_set_of_nothing_but_its_uid_fails_alone(mover, caplog):
    lone = Dataset()
    lone.SOPInstanceUID = "1.2.3.9"
    with scp() as them:
        told = mover.move(them.address, 2, (0xFF00, lone), (0xFF00, image(1)))
        assert told[-1][:2] == (0xB000, [1, 1, 0, None])
    assert failed_list(told[-1][2]) == "1.2.3.9"
    assert "object has no attribute" not in caplog.text


def test_a_destination_that_aborts(mover):
    def answer(event):
        if event.request.AffectedSOPInstanceUID == "1.2.3.1":
            event.assoc.abort()
        return 0x0000

    with scp(answer=answer) as them:
        told = mover.move(them.address, 2, (0xFF00, image(1)), (0xFF00, image(2)))
        assert told[-1][:2] == (0xB000, [1, 1, 0, None]), "the rest goes over another association"


def test_a_destination_of_the_table():
    with scp() as them:
        mover = Mover({"THEM": Destination(*them.address, "OTHER")})
        try:

            def handle(event):
                yield event.move_destination, {"expected": [(CTImageStorage, "1.2.3")]}
                yield 1
                yield 0xFF00, image(1)

            mover.begin(handle)
            told = [mover.next() for _ in range(3)]
            assert told[-1][:2] == (0x0000, [1, 0, 0, None])
            assert them.titles[0][1].called_ae_title == "OTHER"
            assert (CTImageStorage, ("1.2.3",)) in them.proposed[0]
        finally:
            mover.close()


def test_options_of_the_destination(mover):
    from gateway.presentation import build_context

    contexts = [build_context(CTImageStorage, [ExplicitVRLittleEndian])]
    with scp() as them:
        options = {"ae_title": "CALLED", "contexts": contexts, "max_pdu": 0}
        told = mover.move(
            (*them.address, options), 2, (0xFF00, image(1)), (0xFF00, image(2, MRImageStorage))
        )
        assert told[-1][:2] == (0xB000, [1, 1, 0, None]), "no other context is proposed"
        assert them.titles[0][1].called_ae_title == "CALLED"

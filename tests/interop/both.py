"""The same program under pynetdicom and under the gateway's facade: what the pairings share."""

from __future__ import annotations

import itertools
import queue
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pynetdicom
import pynetdicom.pdu_primitives
import pynetdicom.sop_class
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

import gateway
from tests.interop.test_pynetdicom import answered
from tests.patience import WALL
from tests.peers import procfs

if TYPE_CHECKING:
    from types import ModuleType

LIBS = {"pynetdicom": pynetdicom, "gateway": gateway}
PAIRINGS = tuple(itertools.product(LIBS, LIBS))
WAIT = WALL
HOST = "127.0.0.1"

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
ECHO = "1.2.840.10008.1.1"
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.1.{n}" for n in (1, 2, 3))
WORKLIST = "1.2.840.10008.5.1.4.31"
RELEVANT_PATIENT = "1.2.840.10008.5.1.4.37.1"
MPPS = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
PRINT_META = "1.2.840.10008.5.1.1.9"
FILM_SESSION, FILM_BOX, IMAGE_BOX = (f"1.2.840.10008.5.1.1.{n}" for n in ("1", "2", "4"))
PRINTER, PRINTER_INSTANCE = "1.2.840.10008.5.1.1.16", "1.2.840.10008.5.1.1.17"
UPS_PUSH, UPS_WATCH, UPS_PULL = (f"1.2.840.10008.5.1.4.34.6.{n}" for n in (1, 2, 3))
AVAILABILITY = "1.2.840.10008.5.1.4.33"
UNCOMPRESSED = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "deflated": "1.2.840.10008.1.2.1.99",
    "big-endian": "1.2.840.10008.1.2.2",
}


@dataclass
class Pair:
    """One library as server, one as client."""

    server: ModuleType
    client: ModuleType
    stack: ExitStack

    @property
    def is_gateway_server(self) -> bool:
        return self.server is gateway

    def serve(self, contexts, handlers=(), *, lib=None, **options):
        """A running server; handlers are (event's name, function[, args])."""
        lib = lib or self.server
        ae = lib.AE(options.pop("ae_title", "SERVER"))
        tls = options.pop("tls", None)
        for name, value in options.items():
            setattr(ae, name, value)
        for context in contexts:
            ae.add_supported_context(*context) if isinstance(context, tuple) else (
                ae.add_supported_context(context)
            )
        server = ae.start_server(
            (HOST, 0), block=False, evt_handlers=bound(lib, handlers), ssl_context=tls
        )
        self.stack.callback(ae.shutdown)
        return server

    def associate(self, server, contexts, handlers=(), *, must=True, **options):
        """An association with that server."""
        ae = self.client.AE(options.pop("calling", "CLIENT"))
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = WAIT
        for context in contexts:
            ae.add_requested_context(*context) if isinstance(context, tuple) else (
                ae.add_requested_context(context)
            )
        options["ext_neg"] = [item(self.client) for item in options.get("ext_neg", ())]
        assoc = ae.associate(
            HOST,
            server.server_address[1],
            ae_title=options.pop("called", "SERVER"),
            evt_handlers=bound(self.client, handlers),
            **options,
        )
        if self.client is not gateway:
            answered(assoc)
        self.stack.callback(assoc.abort)
        if must:
            assert assoc.is_established
        return assoc


def bound(lib, handlers):
    return [(getattr(lib.evt, name), *rest) for name, *rest in handlers]


def send(assoc, what, *args, **options):
    """`assoc.send_WHAT(...)`; iterators are exhausted.

    pynetdicom's reactor may take a fast response off the queue before its sender looks; it is held
    before the request goes out.
    """
    hold(assoc)
    answer = getattr(assoc, f"send_{what}")(*args, **options)
    return list(answer) if what in ("c_find", "c_get", "c_move") else answer


def hold(assoc):
    if not isinstance(assoc, pynetdicom.association.Association):
        return
    assoc._reactor_checkpoint.clear()
    blocked = assoc._reactor_checkpoint._cond._waiters
    procfs.until(lambda: blocked, timeout=WAIT, what="a paused reactor")


def instance(number=1, **elements):
    ds = Dataset()
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = UID(f"1.2.826.0.1.99.{number}")
    ds.PatientName = "Test^Both"
    ds.PatientID = f"P{number}"
    ds.PixelData = bytes(range(256)) * 8
    ds["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def plain(value):
    """A data set, status, or pair of them as values that compare: {keyword: text}."""
    if isinstance(value, tuple | list):
        return type(value)(plain(v) for v in value)
    if not isinstance(value, Dataset):
        return value
    return {
        element.keyword or str(element.tag): [plain(item) for item in element.value]
        if element.VR == "SQ"
        else element.value
        if isinstance(element.value, int)
        else str(element.value)
        for element in value
        if element.keyword not in ("ErrorComment",)
    }


def role(uid, *, scu=False, scp=False):
    return lambda lib: lib.build_role(uid, scu_role=scu, scp_role=scp)


def item(kind, **values):
    """A negotiation item of either library."""

    def make(lib):
        made = getattr(lib.pdu_primitives, kind)()
        for name, value in values.items():
            setattr(made, name, value)
        return made

    return make


class Told:
    """The events that handlers were called with, in order."""

    def __init__(self):
        self._queue = queue.SimpleQueue()

    def put(self, value):
        self._queue.put(value)

    def next(self):
        return self._queue.get(timeout=WAIT)

    def take(self, count):
        return [self.next() for _ in range(count)]

    @property
    def is_empty(self):
        return self._queue.empty()


@contextmanager
def pair_of(server, client):
    with ExitStack() as stack:
        yield Pair(LIBS[server], LIBS[client], stack)


def boom(event):
    raise ValueError("a handler's mistake")


def finish(assoc):
    assoc.release()
    assert assoc.is_released
    assert not any((assoc.is_established, assoc.is_aborted, assoc.is_rejected))

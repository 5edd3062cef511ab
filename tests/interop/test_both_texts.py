"""The texts of the errors that a sender raises before anything is sent, under both libraries."""

from __future__ import annotations

import gc

import pynetdicom
import pytest
from pydicom.dataset import Dataset

import gateway
from tests.data_sets import data_set
from tests.interop.both import CT, FIND, GET, MOVE, MPPS, PRINTER, instance

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"
UID = "1.2.3.4"


def unencodable():
    """A data set with an element whose VR cannot be known."""
    ds = Dataset()
    ds.PerimeterValue = bytes(2)
    return ds


def compressed():
    ds = instance()
    ds.file_meta.TransferSyntaxUID = JPEG
    return ds


def implicit_inside():
    ds = instance()
    ds.set_original_encoding(False, True)
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    return ds


WRONG = {
    "c_find": lambda assoc: assoc.send_c_find(unencodable(), FIND),
    "c_get": lambda assoc: assoc.send_c_get(unencodable(), GET),
    "c_move": lambda assoc: assoc.send_c_move(unencodable(), "ACME", MOVE),
    "n_event_report": lambda assoc: assoc.send_n_event_report(unencodable(), 1, PRINTER, UID),
    "n_set": lambda assoc: assoc.send_n_set(unencodable(), MPPS, UID),
    "n_action": lambda assoc: assoc.send_n_action(unencodable(), 1, MPPS, UID),
    "n_create": lambda assoc: assoc.send_n_create(unencodable(), MPPS, UID),
    "no context": lambda assoc: assoc.send_c_echo(),
    "no context for N-GET": lambda assoc: assoc.send_n_get([], "1.2.840.10008.5.1.1.40", UID),
    "no context for a C-STORE": lambda assoc: assoc.send_c_store(compressed()),
    "an encoding that is not named": lambda assoc: assoc.send_c_store(implicit_inside()),
    "no UIDs": lambda assoc: assoc.send_c_store(data_set(PatientID="1")),
}
OVER = {
    "c_cancel": lambda assoc: assoc.send_c_cancel(1, query_model=FIND),
    "c_echo": lambda assoc: assoc.send_c_echo(),
    "c_find": lambda assoc: assoc.send_c_find(Dataset(), FIND),
    "c_get": lambda assoc: assoc.send_c_get(Dataset(), GET),
    "c_move": lambda assoc: assoc.send_c_move(Dataset(), "ACME", MOVE),
    "c_store": lambda assoc: assoc.send_c_store(instance()),
    "n_event_report": lambda assoc: assoc.send_n_event_report(Dataset(), 1, PRINTER, UID),
    "n_get": lambda assoc: assoc.send_n_get([], PRINTER, UID),
    "n_set": lambda assoc: assoc.send_n_set(Dataset(), MPPS, UID),
    "n_action": lambda assoc: assoc.send_n_action(Dataset(), 1, MPPS, UID),
    "n_create": lambda assoc: assoc.send_n_create(Dataset(), MPPS, UID),
    "n_delete": lambda assoc: assoc.send_n_delete(MPPS, UID),
}


@pytest.fixture(scope="module")
def associations():
    """An association of each library that is established, and one that is over."""
    ae = gateway.AE("SERVER")
    contexts = (CT, FIND, GET, MOVE, MPPS, PRINTER)
    for context in contexts:
        ae.add_supported_context(context, scu_role=True, scp_role=True)
    with ae.start_server(("127.0.0.1", 0), block=False) as server:
        made = {}
        for lib in (gateway, pynetdicom):
            client = lib.AE("CLIENT")
            client.requested_contexts = [lib.build_context(uid, EXPLICIT) for uid in contexts]
            pair = [client.associate("127.0.0.1", server.server_address[1]) for _ in range(2)]
            pair[1].release()
            made[lib] = pair
        yield made
        for living, _ in made.values():
            living.release()
        gc.collect()  # the sockets of pynetdicom


def raised(call, assoc):
    with pytest.raises((ValueError, RuntimeError, AttributeError)) as caught:
        call(assoc)
    return caught.type, str(caught.value)


def compared(call, associations, number):
    ours, theirs = (raised(call, associations[lib][number]) for lib in (gateway, pynetdicom))
    assert issubclass(ours[0], theirs[0])  # NoContext is a ValueError
    assert ours[1].startswith(theirs[1]), theirs[1]  # the reason may follow


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_sent(name, associations):
    compared(WRONG[name], associations, 0)


@pytest.mark.parametrize("name", OVER)
def test_an_association_that_is_over(name, associations):
    compared(OVER[name], associations, 1)


def test_the_encoding_that_is_sent_is_logged(associations, caplog):
    ds = instance()
    ds.set_original_encoding(True, True)
    for lib in (gateway, pynetdicom):
        caplog.clear()
        associations[lib][0].send_c_store(ds)
        assert (
            "'dataset' is encoded as implicit VR little endian but the file meta has a (0002,0010) "
            "Transfer Syntax UID of 'Explicit VR Little Endian' - using 'Implicit VR Little "
            "Endian' instead"
        ) in caplog.text

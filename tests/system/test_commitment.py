"""Storage commitment with pynetdicom on the other side: requestor, and receiver of reports."""

from __future__ import annotations

import queue
import ssl
from contextlib import contextmanager

import pynetdicom
import pytest
import trustme
from pydicom.dataset import Dataset
from pynetdicom import evt

from tests.conftest import short_folder
from tests.patience import WALL
from tests.peers import instances
from tests.peers.process import Gateway
from tests.peers.sender import store_all

COMMITMENT, INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
ON = "[workers.commitment]\nenabled = true\n"

Report = tuple[int, Dataset]


@contextmanager
def running(config: str = ON):
    with short_folder() as folder:
        gateway = Gateway(folder, config=config)
        try:
            yield gateway
            assert gateway.stop() == 0, gateway.program.report()
        finally:
            gateway.close()


def handlers(reports: queue.Queue[Report]):
    def received(event):
        reports.put((event.event_type, event.event_information))
        return 0x0000, None

    return [(evt.EVT_N_EVENT_REPORT, received)]


@contextmanager
def receiver(tls: ssl.SSLContext | None = None):
    """A modality that waits for reports, with its own association for each."""
    reports: queue.Queue[Report] = queue.Queue()
    ae = pynetdicom.AE("MODALITY")
    ae.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)
    server = ae.start_server(
        ("127.0.0.1", 0), False, ssl_context=tls, evt_handlers=handlers(reports)
    )
    try:
        yield server.server_address[1], reports
    finally:
        server.shutdown()


@contextmanager
def requestor(address, reports: queue.Queue[Report], title: str = "MODALITY"):
    ae = pynetdicom.AE(title)
    ae.add_requested_context(COMMITMENT)
    assoc = ae.associate(*address, evt_handlers=handlers(reports))
    assert assoc.is_established
    yield assoc
    assoc.release()


def asked(*uids: str, transaction: str = "1.2.3.99") -> Dataset:
    information = Dataset()
    information.TransactionUID = transaction
    information.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID = instances.make().sop_class
        item.ReferencedSOPInstanceUID = uid
        information.ReferencedSOPSequence.append(item)
    return information


def ask(assoc, information: Dataset | None, action_type: int = 1, instance: str = INSTANCE) -> int:
    status, _ = assoc.send_n_action(information, action_type, COMMITMENT, instance)
    return status.Status


def failures(information: Dataset) -> list[tuple[str, int]]:
    return [
        (one.ReferencedSOPInstanceUID, one.FailureReason)
        for one in information.get("FailedSOPSequence", ())
    ]


def test_the_report_comes_on_the_association_that_asked():
    stored, reports = instances.many(2), queue.Queue()
    with running() as gateway:
        store_all(gateway.address, stored)
        with requestor(gateway.address, reports) as assoc:
            assert ask(assoc, asked(*(one.uid for one in stored))) == 0x0000
            event_type, information = reports.get(timeout=WALL)
            assert event_type == 1
            assert information.TransactionUID == "1.2.3.99"
            assert len(information.ReferencedSOPSequence) == 2
            assert ask(assoc, asked(stored[0].uid, "1.2.3.4.5")) == 0x0000
            event_type, information = reports.get(timeout=WALL)
            assert event_type == 2
            assert failures(information) == [("1.2.3.4.5", 0x0112)]
            (file,) = [p for p in gateway.archive.rglob("*.dcm") if stored[1].uid in _uids_in(p)]
            file.unlink()
            assert ask(assoc, asked(stored[1].uid)) == 0x0000
            assert failures(reports.get(timeout=WALL)[1]) == [(stored[1].uid, 0x0110)]


def _uids_in(path) -> str:
    return path.read_bytes().decode("latin-1")


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
def test_without_that_association_the_report_goes_to_the_destination_of_the_title(tmp_path, is_tls):
    stored, authority = instances.many(1), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    more = f'tls = true\ntls_ca = "{tmp_path / "ca.pem"}"\n' if is_tls else ""
    with receiver(context if is_tls else None) as (port, reports):
        place = f'[destinations.MODALITY]\nhost = "127.0.0.1"\nport = {port}\n'
        config = f"{ON}{place}{more}"
        with running(config) as gateway:
            store_all(gateway.address, stored)
            there: queue.Queue[Report] = queue.Queue()
            with requestor(gateway.address, there) as assoc:
                # This peer does not answer reports that come before its release.
                assoc.bind(evt.EVT_N_EVENT_REPORT, lambda event: (0x0110, None))
                assert ask(assoc, asked(stored[0].uid)) == 0x0000
            event_type, information = reports.get(timeout=WALL)
            assert (event_type, information.TransactionUID) == (1, "1.2.3.99")


def test_a_report_outlives_the_gateway_and_waits_for_the_next_association_of_the_title():
    stored, reports = instances.many(1), queue.Queue()
    with short_folder() as folder:
        gateway = Gateway(folder, config=ON)
        try:
            store_all(gateway.address, stored)
            with requestor(gateway.address, queue.Queue()) as assoc:
                assoc.bind(evt.EVT_N_EVENT_REPORT, lambda event: (0x0110, None))
                assert ask(assoc, asked(stored[0].uid)) == 0x0000
                gateway.program.err.wait_for("not reported yet")
            gateway.program.kill_all()
            gateway.close()
            gateway = Gateway(folder, config=ON)
            gateway.program.err.wait_for("not reported yet")
            with requestor(gateway.address, queue.Queue(), "STRANGER"):
                pass
            with requestor(gateway.address, reports):
                assert reports.get(timeout=WALL)[0] == 1
            assert gateway.stop() == 0
            assert not list((gateway.data / "commitment").iterdir())
        finally:
            gateway.close()


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"information": asked()}, 0x0115),
        ({"information": asked("1.2.3", transaction="")}, 0x0115),
        ({"information": asked("1.2.3"), "action_type": 2}, 0x0123),
        ({"information": asked("1.2.3"), "instance": "1.2.840.10008.1.20.1.2"}, 0x0112),
    ],
    ids=["no instances", "no transaction", "action type", "instance"],
)
def test_what_is_not_valid_is_refused(gateway_with_commitment, how, status):
    with requestor(gateway_with_commitment.address, queue.Queue()) as assoc:
        assert ask(assoc, **how) == status


@pytest.fixture(scope="module")
def gateway_with_commitment():
    with running() as gateway:
        yield gateway

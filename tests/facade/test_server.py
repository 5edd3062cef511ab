"""A server's life: what it leaves behind, what is refused, and what happens to its acceptor."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

import gateway
from gateway import AE, evt
from tests.data_sets import data_set
from tests.interop.both import CT, ECHO, HOST, MOVE, WAIT, Told, instance
from tests.peers import procfs


def folder_of(server):
    return server._folder


def pid_of(server):
    return server._acceptor.pid


def test_it_leaves_nothing_behind(facade):
    server = facade.serve(("EVT_C_STORE", lambda event: 0x0000))
    folder, pid = folder_of(server), pid_of(server)
    assert pid != os.getpid()
    assert folder.is_dir()
    assert facade.associate(server).send_c_store(instance()).Status == 0
    server.shutdown()
    server.shutdown()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not facade.associate(server, must=False).is_established
    assert facade.ae.active_associations == []


def test_handlers_run_here(facade):
    class Archive:
        def __init__(self):
            self.stored = Told()

        def store(self, event, thread):
            self.stored.put((str(event.dataset.PatientID), os.getpid(), event.dataset_path))
            return thread

    archive = Archive()
    server = facade.serve(("EVT_C_STORE", archive.store, [0xB000]))
    assert facade.associate(server).send_c_store(instance()).Status == 0xB000
    patient, pid, path = archive.stored.next()
    assert (patient, pid) == ("P1", os.getpid())
    assert isinstance(path, Path)


def test_async_handler(facade):
    async def store(event):
        return 0xB000

    server = facade.serve(("EVT_C_STORE", store))
    assert facade.associate(server).send_c_store(instance()).Status == 0xB000


def test_many_servers_in_one_process(facade):
    statuses = [0xB000, 0xB006, 0xB007]
    servers = [facade.serve(("EVT_C_STORE", lambda event, s=s: s)) for s in statuses]
    assocs = [facade.associate(server) for server in servers]
    assert [assoc.send_c_store(instance()).Status for assoc in assocs] == statuses
    servers[1].shutdown()
    assert assocs[0].send_c_store(instance()).Status == 0xB000


def test_active_associations(facade):
    ended = Told()
    server = facade.serve(("EVT_RELEASED", lambda event: ended.put(event.name)))
    assert server.active_associations == []
    assoc = facade.associate(server)
    (theirs,) = server.active_associations
    assert theirs.requestor.ae_title == "FACADE"
    assert set(facade.ae.active_associations) == {assoc, theirs}
    assoc.release()
    ended.next()
    assert server.active_associations == []
    assert theirs.is_released
    assert facade.ae.active_associations == []


def test_an_association_counts_once_associate_has_returned(facade):
    """It does not depend on handlers of notifications, here one that does not return."""
    go, told = threading.Event(), Told()

    def echo(event):
        told.put(len(server.active_associations))
        return 0x0000

    server = facade.serve(("EVT_ESTABLISHED", lambda event: go.wait(WAIT)), ("EVT_C_ECHO", echo))
    for number in range(1, 6):
        assoc = facade.associate(server)
        assert len(server.active_associations) == number
        assert assoc.send_c_echo().Status == 0x0000
        assert told.next() == number
    go.set()


def test_blocking_server(facade):
    ready = Told()
    facade.ae.add_requested_context(ECHO)

    def run():
        server = facade.ae.make_server((HOST, 0))
        ready.put(server)
        server.serve_forever()
        ready.put("over")

    threading.Thread(target=run, daemon=True).start()
    server = ready.next()
    assert facade.associate(server).send_c_echo().Status == 0
    facade.ae.shutdown()
    assert ready.next() == "over"


@pytest.mark.parametrize(
    ("handlers", "error", "text"),
    [
        ([(evt.EVT_C_STORE, lambda: 0)], TypeError, "cannot be called"),
        ([(evt.EVT_C_STORE, lambda event: 0, ["too", "many"])], TypeError, "cannot be called"),
        ([(evt.EVT_C_STORE, 5)], TypeError, "callable"),
        ([(evt.EVT_C_STORE,)], TypeError, "evt_handlers"),
        (["EVT_C_STORE"], TypeError, "evt_handlers"),
        ([("EVT_C_STORE", print)], ValueError, "not an event"),
        ([(evt.EVT_C_STORE, lambda event: 0, 5)], TypeError, "list"),
    ],
)
def test_handlers_refused_at_once(facade, handlers, error, text):
    with pytest.raises(error, match=text):
        facade.ae.start_server((HOST, 0), block=False, evt_handlers=handlers)


@pytest.mark.parametrize("address", ["here", (HOST,), (HOST, "0"), 5])
def test_address_refused(facade, address):
    with pytest.raises(TypeError, match="address"):
        facade.ae.start_server(address, block=False)


def test_handlers_as_they_are_bound(facade):
    def first(event):
        return 0

    def second(event):
        return 0

    server = facade.serve(("EVT_C_STORE", first))
    assert server.get_handlers(evt.EVT_C_STORE) == (first, None)
    server.bind(evt.EVT_C_STORE, second)
    assert server.get_handlers(evt.EVT_C_STORE) == (second, None)
    assert server.get_handlers(evt.EVT_C_ECHO) == (None, None)
    assert server.get_handlers(evt.EVT_PDU_RECV) == []
    server.bind(evt.EVT_PDU_RECV, first)
    server.bind(evt.EVT_PDU_RECV, second)
    assert server.get_handlers(evt.EVT_PDU_RECV) == [(first, None), (second, None)]
    assert {evt.EVT_C_STORE, evt.EVT_PDU_RECV} <= {*server.get_events()}
    server.unbind(evt.EVT_PDU_RECV, first)
    assert server.get_handlers(evt.EVT_PDU_RECV) == [(second, None)]
    server.unbind(evt.EVT_C_STORE, second)
    assert [event for event in server.get_events() if event.is_notification] == [evt.EVT_PDU_RECV]


def test_an_acceptor_that_dies_is_started_again(facade):
    server = facade.serve(("EVT_C_STORE", lambda event: 0xB000))
    pid = pid_of(server)
    assoc = facade.associate(server)
    os.kill(pid, signal.SIGKILL)
    assert plain_status(assoc.send_c_store(instance())) is None
    assert assoc.is_aborted
    procfs.until(lambda: pid_of(server) not in (pid, None), what="another acceptor")
    again = facade.associate(server)
    assert again.send_c_store(instance()).Status == 0xB000


def plain_status(status):
    return status.get("Status")


CHILD = """
import sys
from gateway import AE, evt

if __name__ != "__main__":
    sys.exit("imported once more")
ae = AE()
ae.add_supported_context("1.2.840.10008.1.1")
server = ae.start_server(("127.0.0.1", 0), block=False)
print(server._folder, server._acceptor.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(CHILD)
    process = subprocess.Popen(
        [sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def ended(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


def test_a_script_without_a_guard_ends_and_leaves_nothing(script):
    folder, pid = script.stdout.readline().split()
    assert Path(folder).is_dir()
    script.communicate(timeout=WAIT)
    assert script.returncode == 0
    assert not Path(folder).exists()
    assert ended(int(pid))


def test_a_caller_that_is_killed_leaves_nothing(script):
    folder, pid = script.stdout.readline().split()
    script.kill()
    procfs.until(lambda: not Path(folder).exists(), what="an empty place")
    procfs.until(lambda: ended(int(pid)), what="no acceptor")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder


def test_tls_in_the_acceptor_process(facade, files):
    context = gateway.tls_context(files / "both.pem")
    server = facade.serve(("EVT_C_STORE", lambda event: 0x0000), ssl_context=context)
    assert pid_of(server) != os.getpid()
    ours = ssl.create_default_context(cafile=files / "ca.pem")
    assoc = facade.associate(server, tls_args=(ours, HOST))
    assert assoc.send_c_store(instance(PixelData=bytes(200_000))).Status == 0
    assoc.release()
    assert assoc.is_released


def test_tls_that_asks_for_a_certificate(facade, files):
    context = gateway.tls_context(files / "both.pem", None, files / "ca.pem")
    server = facade.serve(ssl_context=context)
    ours = ssl.create_default_context(cafile=files / "ca.pem")
    assert not facade.associate(server, tls_args=(ours, HOST), must=False).is_established
    ours.load_cert_chain(files / "both.pem")
    assert facade.associate(server, tls_args=(ours, HOST)).send_c_echo().Status == 0


def test_tls_files_that_are_none(files, tmp_path):
    with pytest.raises(gateway.errors.ConfigError, match=r"nothing\.pem"):
        gateway.tls_context(tmp_path / "nothing.pem")
    with pytest.raises(TypeError, match="ssl_context"):
        AE().make_server((HOST, 0), contexts=[gateway.build_context(CT)], ssl_context="tls")


def test_unrestricted_storage(facade, monkeypatch):
    monkeypatch.setattr(gateway.config_flags, "UNRESTRICTED_STORAGE_SERVICE", True)
    told = Told()

    def store(event):
        told.put(str(event.request.AffectedSOPClassUID))
        return 0x0000

    server = facade.serve(("EVT_C_STORE", store))
    private = instance(SOPClassUID="1.2.826.0.1.55")
    contexts = [gateway.build_context("1.2.826.0.1.55")]
    assoc = facade.associate(server, contexts=contexts)
    assert assoc.send_c_store(private).Status == 0
    assert told.next() == "1.2.826.0.1.55"


def test_registered_uid_is_served(facade):
    from gateway.service_class import QueryRetrieveServiceClass

    uid = "1.2.826.0.1.56"
    gateway.register_uid(uid, "FindOfMine", QueryRetrieveServiceClass, "C-FIND")
    facade.ae.add_supported_context(uid)

    def find(event):
        yield 0xFF00, data_set(PatientID="1")

    server = facade.serve(("EVT_C_FIND", find))
    assoc = facade.associate(server, contexts=[gateway.build_context(uid)])
    found = list(assoc.send_c_find(data_set(PatientID=""), uid))
    assert [status.Status for status, _ in found] == [0xFF00, 0x0000]


@pytest.mark.parametrize("destination", [("127.0.0.1", 1), (None, None)], ids=["down", "unknown"])
def test_a_move_whose_destination_takes_no_association(facade, destination):
    """A801 as in pynetdicom; where the instances are known, they are listed as well."""

    def move(event):
        yield destination
        yield 2
        yield 0xFF00, instance(1)
        yield 0xFF00, instance(2)

    facade.ae.add_supported_context(MOVE)
    facade.ae.add_requested_context(MOVE)
    server = facade.serve(("EVT_C_MOVE", move))
    asked = data_set(QueryRetrieveLevel="PATIENT", PatientID="P1")
    ((status, failed),) = facade.associate(server).send_c_move(asked, "DEST", MOVE)
    assert status.Status == 0xA801
    if destination[0]:
        counters = status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations
        assert counters == (0, 2)
        assert failed.FailedSOPInstanceUIDList == [instance(n).SOPInstanceUID for n in (1, 2)]


def test_a_blank_implementation_version_name_is_sent(facade):
    facade.ae.implementation_version_name = "  "
    assert facade.associate(facade.serve()).send_c_echo().Status == 0x0000


def test_a_shutdown_right_after_a_release_logs_nothing_alarming(facade, caplog):
    server = facade.serve(("EVT_C_ECHO", lambda event: 0x0000))
    assoc = facade.associate(server)
    (theirs,) = server.active_associations
    assoc.release()
    theirs.abort()  # as a program does that looked before the release
    facade.ae.shutdown()
    assert [record for record in caplog.records if record.levelname != "INFO"] == []

"""The audit trail of a running gateway: what peers did is there, by the schema, in order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.conftest import running
from tests.peers import instances, procfs, wire
from tests.peers.process import Gateway, run_cli
from tests.peers.raw import RawPeer, association
from tests.workers.audit.receiver import SyslogReceiver
from tests.workers.audit.schema import event, objects, participant, types, validated, with_role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from xml.etree.ElementTree import Element

AUDIT = """
[workers.audit]
options = {source = "here", site = "Test"}

[policy]
allow_plain_passwords = true

[[policy.rules]]
calling = ["BAD"]
accept = false

[[policy.rules]]
calling = ["*"]

[destinations]
FAR = {host = "127.0.0.1", port = 1}
"""
TRANSFERRED, BEGIN = "DICOM Instances Transferred", "Begin Transferring DICOM Instances"


def read_trail(gateway: Gateway) -> list[Element]:
    lines = []
    for path in sorted((gateway.data / "audit").glob("audit-*.log")):
        assert path.stat().st_mode & 0o777 == 0o600
        lines += path.read_text(encoding="utf-8").splitlines()
    return [validated(line[line.index("<?xml") :]) for line in lines]


def wait_for(gateway: Gateway, is_wanted: Callable[[Element], bool]) -> Element:
    """Return the first message for which the function is true, once it is there."""
    found = procfs.until(
        lambda: [one for one in read_trail(gateway) if is_wanted(one)],
        what="a message in the audit trail",
        every=0.05,
    )
    return found[0]


def about(what: str, action: str = "", peer: str = "") -> Callable[[Element], bool]:
    def is_wanted(root: Element) -> bool:
        name, done, _ = event(root)
        users = [one.attrib["UserID"] for one in root.iter("ActiveParticipant")]
        return name == what and action in ("", done) and (not peer or peer in users)

    return is_wanted


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running(AUDIT) as started:
        yield started


def store(gateway: Gateway, calling: str) -> instances.Instance:
    instance = instances.make()
    with association(gateway.address, instance.context(), calling=calling) as peer:
        assert peer.store(instance).status == 0
        peer.release()
    return instance


def client(gateway: Gateway, command: str, calling: str, *more: str) -> None:
    host, port = gateway.address
    run_cli(command, host, port, "--aet", calling, *more).wait()


def test_the_start_is_recorded(gateway: Gateway) -> None:
    root = wait_for(gateway, about("Application Activity"))
    assert types(root) == ["Application Start"]
    own = with_role(root, "Application")
    assert own.attrib["UserID"] == str(gateway.pid)
    assert own.attrib["AlternativeUserID"] == "AETITLES=GATEWAY"
    source = root.find("AuditSourceIdentification")
    assert source.attrib == {"AuditEnterpriseSiteID": "Test", "AuditSourceID": "here"}


def test_what_was_received_is_recorded_with_its_sender(gateway: Gateway) -> None:
    store(gateway, "CT7")
    root = wait_for(gateway, about(TRANSFERRED, peer="CT7"))
    assert event(root) == (TRANSFERRED, "C", "0")
    source = with_role(root, "Source Role ID").attrib
    assert (source["UserID"], source["NetworkAccessPointID"]) == ("CT7", "127.0.0.1")
    assert source["UserIsRequestor"] == "true"
    assert with_role(root, "Destination Role ID").attrib["UserID"] == str(gateway.pid)
    (number,) = (one.attrib["NumberOfInstances"] for one in root.iter("SOPClass"))
    assert number == "1"
    assert "unknown" not in objects(root)["Study Instance UID"]


def test_a_query_and_a_retrieval_are_recorded(gateway: Gateway, tmp_path: Path) -> None:
    store(gateway, "CT8")
    study = objects(wait_for(gateway, about(TRANSFERRED, peer="CT8")))["Study Instance UID"][0]
    key = f"StudyInstanceUID={study}"
    client(gateway, "find", "ASKS", "-k", key)
    root = wait_for(gateway, about("Query", peer="ASKS"))
    assert with_role(root, "Source Role ID").attrib["UserID"] == "ASKS"
    assert objects(root) == {"SOP Class UID": ["1.2.840.10008.5.1.4.1.2.2.1"]}
    client(gateway, "get", "GETS", "-k", key, "--out", str(tmp_path))
    begun = wait_for(gateway, about(BEGIN, peer="GETS"))
    ended = wait_for(gateway, about(TRANSFERRED, "R", peer="GETS"))
    for root in (begun, ended):
        assert objects(root)["Study Instance UID"] == [study]
        assert with_role(root, "Destination Role ID").attrib["UserID"] == "GETS"
    assert event(ended)[2] == "0"


def test_a_move_that_fails_is_recorded_as_such(gateway: Gateway) -> None:
    store(gateway, "CT9")
    study = objects(wait_for(gateway, about(TRANSFERRED, peer="CT9")))["Study Instance UID"][0]
    client(gateway, "move", "MOVES", "--dest", "FAR", "-k", f"StudyInstanceUID={study}")
    root = wait_for(gateway, about(TRANSFERRED, "R", peer="MOVES"))
    assert event(root) == (TRANSFERRED, "R", "4")
    assert with_role(root, "Destination Role ID").attrib["UserID"] == "FAR"
    other = participant(root, lambda one: one.attrib["UserIsRequestor"] == "true")
    assert other.attrib["UserID"] == "MOVES"


def test_a_rejection_is_an_alert_with_the_sentence_of_the_log(gateway: Gateway) -> None:
    client(gateway, "echo", "BAD")
    root = wait_for(gateway, about("Security Alert"))
    assert types(root) == ["Node Authentication"]
    assert objects(root) == {"Node ID": ["127.0.0.1"]}
    sentence = root.find("EventIdentification/EventOutcomeDescription").text
    assert sentence
    gateway.program.err.wait_for(re.escape(sentence))


def test_users_log_in_and_out(gateway: Gateway) -> None:
    options = ("--user", "anna", "--password", "secret-passcode")
    client(gateway, "echo", "USER", *options)
    login = wait_for(gateway, about("User Authentication", peer="anna"))
    assert types(login) == ["Login"]
    wait_for(gateway, lambda root: types(root) == ["Logout"])
    whole = "".join(path.read_text() for path in (gateway.data / "audit").glob("*.log"))
    assert "secret-passcode" not in whole


def test_deletion_is_recorded(gateway: Gateway) -> None:
    store(gateway, "CT10")
    study = objects(wait_for(gateway, about(TRANSFERRED, peer="CT10")))["Study Instance UID"][0]
    done = run_cli("archive", "rm", study, "--data", gateway.data)
    assert done.wait() == 0, done.report()
    root = wait_for(gateway, about("DICOM Study Deleted"))
    assert objects(root)["Study Instance UID"] == [study]


def test_a_failed_handshake_and_the_stop_reach_the_syslog_server(tmp_path: Path) -> None:
    authority = trustme.CA()
    mine, ca = tmp_path / "mine.pem", tmp_path / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(mine)
    authority.cert_pem.write_to_path(ca)
    with SyslogReceiver(mine, ca) as server:
        config = f"""
[tls]
certificate = "{mine}"
ca = "{ca}"

[workers.audit]
options = {{syslog = "127.0.0.1:{server.port}", ca = "{ca}", certificate = "{mine}"}}
"""
        with running(config) as gateway:
            server.wait_for_text("Application Start")
            with RawPeer(gateway.address) as peer:
                peer.send(wire.associate_rq(wire.context(1)))
            alert = server.wait_for_text("Security Alert")
            assert "does not speak TLS" in alert
        server.wait_for_text("Application Stop")
    assert all(validated(one[one.index("<?xml") :]) is not None for one in server.messages)

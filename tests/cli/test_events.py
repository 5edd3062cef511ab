"""`dicom-gateway events`: what happens on a gateway, for people and for programs."""

from __future__ import annotations

import base64
import json
import os
import re
import signal

import msgpack
import pytest

from gateway.cli import events, notification_queue, notification_text
from gateway.errors import ConfigError
from gateway.events import NOTIFICATIONS
from gateway.fabric import LeaseState, Notification
from tests.conftest import running
from tests.peers import wire
from tests.peers.process import COMMAND, Program, run_cli
from tests.peers.raw import RawPeer, echo_ok
from tests.peers.workers import STORAGE_OFF

PASSCODE = b"correct horse battery"


@pytest.fixture(scope="module")
def gateway():
    with running(STORAGE_OFF) as one:
        yield one


class Events(Program):
    """The command as it runs, once it watches."""

    def __init__(self, gateway, *options: object) -> None:
        super().__init__(COMMAND, "events", "--data", gateway.data, *options)
        self.wait_begun(self.err, "^watching acceptor-0; Ctrl-C to leave$")

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.kill_all()

    def interrupt(self, number: int = signal.SIGINT) -> list[str]:
        """Ctrl-C; the lines."""
        self.popen.send_signal(number)
        assert self.wait() == 0, self.report()
        assert self.err.lines == ["watching acceptor-0; Ctrl-C to leave"]
        return self.out.lines


def names(lines: list[str]) -> list[str]:
    return [re.findall(r"EVT_\w+", line)[0] for line in lines]


QUIET = [
    "EVT_CONN_OPEN",
    "EVT_ACSE_RECV",
    "EVT_REQUESTED",
    "EVT_ACSE_SENT",
    "EVT_ACCEPTED",
    "EVT_ESTABLISHED",
    "EVT_ACSE_RECV",
    "EVT_ACSE_SENT",
    "EVT_RELEASED",
    "EVT_ASSOCIATION_ENDED",
    "EVT_CONN_CLOSE",
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_association_and_a_clean_end(gateway, number: int) -> None:
    with Events(gateway) as program:
        assert echo_ok(gateway.address)
        program.out.wait_for("EVT_CONN_CLOSE")
        lines = program.interrupt(number)
    assert names(lines) == QUIET
    asked = lines[QUIET.index("EVT_REQUESTED")]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} EVT_REQUESTED +[0-9a-f]{12} 127\.0\.0\.1:\d+ "
        r"RAWPEER>GATEWAY",
        asked,
    )


def test_chosen_topics_for_people(gateway) -> None:
    with Events(gateway, "fsm_transition", "EVT_DIMSE_*", "pdu_recv") as program:
        assert echo_ok(gateway.address)
        program.out.wait_for("Sta13 Evt17 AR-5 Sta1")
        told = [line.split("RAWPEER>GATEWAY ")[-1] for line in program.interrupt()]
    assert told[3:9] == [
        "Sta3 Evt7 AE-7 Sta6",
        "Sta6 Evt10 DT-2 Sta6",
        "P-DATA-TF 80 bytes",
        "C-ECHO-RQ message=7 (Verification SOP Class)",
        "Sta6 Evt9 DT-1 Sta6",
        "C-ECHO-RSP message=7 status=0x0000 (Verification SOP Class)",
    ]


def test_json(gateway) -> None:
    request = wire.associate_rq(user=identified(2, b"me", PASSCODE))
    with Events(gateway, "--json", "*") as program:
        with RawPeer(gateway.address) as peer:
            peer.send(request)
            assert peer.recv_pdu()[:1] == b"\x02"
            peer.echo()
            peer.release()
        program.out.wait_for("EVT_CONN_CLOSE")
        told = [json.loads(line) for line in program.interrupt()]
    told = [one for one in told if one["event"] != "EVT_METRICS"]  # of the process
    assert {one["association"]["remote"][0] for one in told} == {"127.0.0.1"}
    assert len({one["association"]["id"] for one in told}) == 1
    steps = [one["seq"] for one in told if one["event"] == "EVT_FSM_TRANSITION"]
    assert steps == list(range(steps[0], steps[0] + len(steps)))
    accepted = next(one for one in told if one["event"] == "EVT_ACCEPTED")
    assert accepted["association"]["calling_ae_title"] == "RAWPEER"
    assert accepted["association"]["state"] == "established"
    secret = len(PASSCODE).to_bytes(2, "big") + PASSCODE
    masked = request.replace(secret, b"*" * len(secret))
    for name, key in (("DATA_RECV", "data"), ("PDU_RECV", "pdu"), ("ACSE_RECV", "pdu")):
        first = next(one for one in told if one["event"] == f"EVT_{name}")
        shown = base64.b64decode(first["body"][key]["base64"])
        assert (PASSCODE in shown, b"me" in shown) == (False, True)
        assert shown == masked or name == "ACSE_RECV", "a primitive's PDU is encoded anew"
    received = next(one for one in told if one["event"] == "EVT_DATA_RECV")
    assert (received["body"]["length"], received["body"]["truncated"]) == (len(request), False)
    message = next(one for one in told if one["event"] == "EVT_DIMSE_RECV")
    assert base64.b64decode(message["body"]["command_set"]["base64"]) == wire.echo_rq()


def test_what_was_told_before(gateway) -> None:
    with Events(gateway) as first:
        assert echo_ok(gateway.address)
        first.out.wait_for("EVT_CONN_CLOSE")
        with Events(gateway, "--last", 4) as late:
            late.out.wait_for("EVT_CONN_CLOSE")
            lines = late.interrupt()
        assert names(lines) == QUIET[-4:]
        assert lines == first.interrupt()[-4:]


def test_the_gateway_leaves() -> None:
    with running(STORAGE_OFF) as gateway, Events(gateway) as program:
        assert gateway.stop() == 0
        assert program.wait() == 1
        assert program.err.lines[1:] == [f"dicom-gateway: the gateway on {gateway.data} has left"]


def test_an_acceptor_that_is_started_anew_is_told() -> None:
    with running(STORAGE_OFF) as gateway, Events(gateway, "--json", "released") as program:
        assert echo_ok(gateway.address)
        program.out.wait_for("EVT_RELEASED")
        program.out.forget()
        acceptor = gateway.child("acceptor-0")
        os.kill(acceptor, signal.SIGKILL)
        gateway.wait_child("acceptor-0", other_than=acceptor)
        with Events(gateway, "released") as other:
            # once a newcomer's subscription is in effect, ours may still be on its way
            while not program.out.lines:
                assert echo_ok(gateway.address)
                other.out.wait_for("EVT_RELEASED")
            other.interrupt()
        note, released, *_ = (json.loads(line) for line in program.interrupt())
        assert note["text"].startswith("acceptor-0 was restarted")
        assert released["event"] == "EVT_RELEASED"


def test_no_reader(gateway) -> None:
    program = Program("sh", "-c", f"{COMMAND} events --data {gateway.data} | head -n 1 >&2")
    program.err.wait_for("^watching")
    assert echo_ok(gateway.address)
    assert program.wait() == 0
    assert "Traceback" not in program.err.text


def test_no_gateway(folder) -> None:
    done = run_cli("events", "--data", folder / "nothing")
    assert done.popen.returncode == 1
    (line,) = done.err.lines
    assert line.startswith(f"dicom-gateway: no gateway runs on {folder / 'nothing'}: start one")


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (
            "acepted",
            "there is no event 'acepted'; did you mean EVT_ACCEPTED or EVT_ABORTED "
            "or EVT_REJECTED?",
        ),
        ("fsm", "there is no event 'fsm'; did you mean EVT_FSM_TRANSITION?"),
        ("c_store", "EVT_C_STORE is an intervention event: only notification events are watched"),
        ("EVT_GAP", "gaps are shown with every topic: leave out EVT_GAP"),
    ],
)
def test_a_wrong_topic(folder, topic: str, said: str) -> None:
    done = run_cli("events", topic, "--data", folder)
    assert done.popen.returncode == 2
    assert done.err.lines == [f"dicom-gateway: {said}"]


# Without a gateway


def test_choosing() -> None:
    noisy = {n for n in NOTIFICATIONS if re.match("EVT_(PDU_|DATA_|FSM_|DIMSE_|METRICS)", n)}
    assert set(events.choose([])) == set(NOTIFICATIONS) - noisy - {"EVT_GAP"}
    assert events.choose(["released", "EVT_RELEASED", "Evt_Released"]) == ["EVT_RELEASED"]
    assert events.choose(["pdu_*", "EVT_DATA_?ENT"]) == [
        "EVT_DATA_SENT",
        "EVT_PDU_RECV",
        "EVT_PDU_SENT",
    ]
    assert set(events.choose(["*"])) == set(NOTIFICATIONS) - {"EVT_GAP"}
    with pytest.raises(ConfigError, match=r"there is no event 'x\*'; known events: EVT_"):
        events.choose(["x*"])


def notification(topic: str, body=None, *, seq: int = 1, **assoc) -> Notification:
    return Notification(
        topic, "acceptor-0-9c41", seq, 1.7e9, body or {}, msgpack.packb(assoc) if assoc else b""
    )


def test_a_peers_text_cannot_move_the_cursor() -> None:
    evil = "A\x1b[2J\nB\u202e"
    body = {"sop_instance_uid": evil, "path": evil}
    told = notification(
        "EVT_INSTANCE_STORED", body, id="1", remote=["h", 1], requestor={"ae_title": evil}
    )
    line = notification_text.line(told)
    assert line.isprintable()
    assert line.isascii()
    assert line.count("\\x1b[2J\\x0aB") == 3
    assert json.loads(json.dumps(notification_text.plain(told)))["body"]["path"] == evil


def test_every_event_has_a_line() -> None:
    for name in NOTIFICATIONS:
        if name != "EVT_GAP":
            assert name in notification_text.line(notification(name)), "a body that makes no sense"
            assert notification_text.plain(notification(name))["event"] == name
    worker = {"worker": "w", "generation": 1, "member": 0, "events": ["EVT_C_ECHO", "EVT_C_FIND"]}
    line = notification_text.line(notification("EVT_WORKER_UP", worker))
    assert line.endswith("worker=w generation=1 member=0 events=EVT_C_ECHO,EVT_C_FIND")


def test_garbage_is_shown_as_it_is() -> None:
    for body in (
        {"pdu": b"", "length": 0, "truncated": False},
        {"command_set": b"\0"},
        {"a": None},
    ):
        assert notification_text.line(notification("EVT_PDU_RECV", body))
        assert notification_text.line(notification("EVT_DIMSE_RECV", body))
    assert notification_text.line(Notification("EVT_RELEASED", "s", 1, 0.0, {}, b"\xc1"))


def test_a_gap_is_shown() -> None:
    body = {"stream": "acceptor-0-9c41", "topic": "EVT_RELEASED", "first": 4, "last": 20}
    line = notification_text.line(notification("EVT_GAP", body))
    assert line.endswith("-- gap: 17 EVT_RELEASED notifications were lost (4 to 20 of "
                         "acceptor-0-9c41) --")  # fmt: skip
    assert notification_text.plain(notification("EVT_GAP", body))["body"] == body
    body["last"] = 4
    assert "1 EVT_RELEASED notification was lost" in notification_text.line(
        notification("EVT_GAP", body)
    )


def identified(kind: int, primary: bytes, secondary: bytes = b"") -> bytes:
    return wire.user_information(
        wire.maximum_length(16384),
        wire.implementation(),
        wire.user_identity(kind, primary, secondary),
        wire.version_name(),
    )


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 200])
def test_secrets_of_a_request_are_masked(kind: int) -> None:
    primary, secondary = b"first field", PASSCODE
    pdu = wire.associate_rq(user=identified(kind, primary, secondary))
    shown = notification_text.without_secrets(pdu)
    assert len(shown) == len(pdu)
    assert secondary not in shown
    assert (primary in shown) == (kind in (1, 2))
    assert b"RAWPEER" in shown[74:], "what stands behind it is still there"


def test_a_secret_of_a_reply_is_masked() -> None:
    user = wire.user_information(
        wire.maximum_length(16384), wire.item(0x59, b"\0\x08" + b"a ticket"), wire.version_name()
    )
    pdu = wire.associate_ac((1, 0, wire.IMPLICIT), user=user)
    shown = notification_text.without_secrets(pdu)
    assert b"a ticket" not in shown
    assert (len(shown), b"RAWPEER" in shown[74:]) == (len(pdu), True)


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_request_that_is_cut_shows_no_secret(cut: int) -> None:
    pdu = wire.associate_rq(user=identified(2, b"me", PASSCODE))[:-cut]
    shown = notification_text.without_secrets(pdu)
    assert PASSCODE[:3] not in shown
    assert len(shown) == len(pdu)


def test_a_field_with_a_false_length_shows_no_secret() -> None:
    field = b"\x02\x00" + b"\x00\x30" + b"me" + b"\x00\x15" + PASSCODE
    user = wire.user_information(wire.item(0x58, field))
    assert PASSCODE not in notification_text.without_secrets(wire.associate_rq(user=user))
    for short in (b"", b"\x02", b"\x02\x00\x00"):
        user = wire.user_information(wire.item(0x58, short))
        assert notification_text.without_secrets(wire.associate_rq(user=user))


def test_other_pdus_are_as_they_were() -> None:
    for pdu in (wire.release_rq(), wire.p_data(wire.pdv(1, 3, wire.echo_rq())), b""):
        assert notification_text.without_secrets(pdu) == pdu


def test_a_slow_reader_loses_the_newest_and_is_told() -> None:
    inbox = notification_queue.NotificationQueue(limit=3000)
    for seq in range(1, 7):
        inbox.notify(notification("EVT_RELEASED", seq=seq))
    inbox.put(notification_queue.ConnectionChange(LeaseState.LOST, ""))
    taken = inbox.take(0.0)
    assert [one.seq for one in taken[:2]] == [1, 2]
    assert taken[2].state is LeaseState.LOST
    inbox.notify(notification("EVT_RELEASED", seq=7))
    gap, after = inbox.take(0.0)
    assert (gap.topic, gap.body["first"], gap.body["last"]) == ("EVT_GAP", 3, 6)
    assert after.seq == 7
    assert inbox.take(0.0) == []


def test_a_loss_is_told_although_nothing_follows() -> None:
    inbox = notification_queue.NotificationQueue(limit=1)
    inbox.notify(notification("EVT_RELEASED", seq=3))
    (gap,) = inbox.take(0.0)
    assert (gap.body["first"], gap.body["last"]) == (3, 3)
    inbox.put(None)
    assert inbox.take(0.0) == []

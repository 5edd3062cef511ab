"""Negotiation by a worker, with pynetdicom as the requestor: agreed on, refused, and gone wrong.

Who may come in fails closed: (2,3,1) for every answer that is none. What may be agreed on fails to
the default: no item in the answer. The calling AE title tells the worker what to answer.
"""

from __future__ import annotations

import pytest
from pynetdicom import AE, build_role
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from tests.conftest import running
from tests.interop.test_pynetdicom import answered, hold
from tests.patience import WALL
from tests.peers import wire
from tests.peers.raw import echo_ok
from tests.peers.workers import STORAGE_OFF, UserWorker

WORKER = """
from gateway import Worker, evt

worker = Worker("gate", concurrency=32)
NOT_ANSWERS = {
    "NONE": None,
    "TEXT": "yes",
    "NUMBER": 7,
    "EMPTY": (),
    "LIST": [True, None, 1],
    "BYTES": b"yes",
    "NESTED": {"value": True},
    "OBJECT": object(),
    "TOO_MUCH": {str(n): b"x" for n in range(100_000)},
}


def answer(event, good):
    title = event.assoc.requestor.ae_title
    kind, _, case = title.partition(" ")
    if kind != event.name.removeprefix("EVT_")[:5]:
        return good
    if case == "RAISES":
        raise RuntimeError("asked to")
    if case == "EXITS":
        raise SystemExit(0)
    if case == "HANGS":
        event.cancellation.wait(600)
    return NOT_ANSWERS[case] if case in NOT_ANSWERS else eval(case)


def on(event):
    return worker.on(event, deadline=1.0)


@on(evt.EVT_ASSOCIATE)
def admit(event):
    assert event.assoc.acceptor.ae_title == "GATEWAY"
    return answer(event, True)


@on(evt.EVT_USER_ID)
def identify(event):
    print("identity", event.user_id_type, event.primary_field, event.secondary_field, flush=True)
    return answer(event, (True, event.primary_field[::-1]))


@on(evt.EVT_ASYNC_OPS)
def window(event):
    assert (event.nr_invoked, event.nr_performed) == (event.invoked, event.performed)
    return answer(event, (event.invoked, event.performed))


@on(evt.EVT_SOP_EXTENDED)
def extended(event):
    return answer(event, {uid: info + b"!" for uid, info in event.app_info.items()})


@on(evt.EVT_SOP_COMMON)
def common(event):
    for uid, item in event.items.items():
        print("common", uid, item.service_class_uid, flush=True)
        print("related", *item.related_general_sop_class_identification, flush=True)
    return answer(event, event.items)


@worker.on(evt.EVT_C_ECHO)
def echo(event):
    return 0x0000


@worker.on(evt.EVT_C_STORE)
def store(event):
    return 0x0000


@worker.on(evt.EVT_C_GET)
def get(event):
    yield 0
"""

NOT_ANSWERS = ["NONE", "TEXT", "NUMBER", "EMPTY", "LIST", "BYTES", "NESTED", "OBJECT", "TOO_MUCH"]
WRONG = ["RAISES", "EXITS", "HANGS", *NOT_ANSWERS]


@pytest.fixture(scope="module")
def gateway():
    with running(STORAGE_OFF) as one:
        yield one


@pytest.fixture(scope="module", autouse=True)
def worker(gateway, tmp_path_factory):
    with UserWorker(tmp_path_factory.mktemp("gate"), WORKER, gateway.data, name="gate") as one:
        one.wait_ready()
        yield one
        one.terminate()
        assert one.wait() == 0


def identity(kind: int = 2, *, reply: bool = True) -> UserIdentityNegotiation:
    item = UserIdentityNegotiation()
    item.user_identity_type = kind
    item.primary_field = b"primary"
    item.secondary_field = b"secret" if kind == 2 else b""
    item.positive_response_requested = reply
    return item


def window(invoked: int, performed: int) -> AsynchronousOperationsWindowNegotiation:
    item = AsynchronousOperationsWindowNegotiation()
    item.maximum_number_operations_invoked = invoked
    item.maximum_number_operations_performed = performed
    return item


def extended(uid: str, information: bytes) -> SOPClassExtendedNegotiation:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = uid
    item.service_class_application_information = information
    return item


def common(uid: str) -> SOPClassCommonExtendedNegotiation:
    item = SOPClassCommonExtendedNegotiation()
    item.sop_class_uid = uid
    item.service_class_uid = "1.2.840.10008.4.2"
    item.related_general_sop_class_identification = [wire.MR]
    return item


class Asked:
    """An association request and what became of it; an accepted one must serve a C-ECHO."""

    def __init__(self, gateway, title: str, *items) -> None:
        ae = AE(ae_title=title)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = WALL
        ae.add_requested_context(wire.VERIFICATION)
        ae.add_requested_context(wire.CT)
        assoc = self.assoc = ae.associate(*gateway.address, ae_title="GATEWAY", ext_neg=list(items))
        answered(assoc)
        if assoc.is_established:
            hold(assoc)
            assert assoc.send_c_echo().Status == 0x0000
            assoc.release()
            assoc.join(WALL)
        assert assoc.is_rejected or assoc.is_released

    @property
    def rejected(self) -> tuple[int, int, int] | None:
        if not self.assoc.is_rejected:
            return None
        answer = self.assoc.acceptor.primitive
        return answer.result, answer.result_source, answer.diagnostic

    def item(self, kind: type):
        """The answer's item of a kind; None if it has none."""
        items = self.assoc.acceptor.primitive.user_information
        return next((item for item in items if isinstance(item, kind)), None)


@pytest.mark.parametrize(
    ("answer", "rejection"),
    [
        ("True", None),
        ("False", (1, 1, 1)),
        ("1, 1, 3", (1, 1, 3)),
        ("1, 1, 7", (1, 1, 7)),
        ("2, 3, 2", (2, 3, 2)),
    ],
)
def test_admission(gateway, answer: str, rejection) -> None:
    assert Asked(gateway, f"ASSOC {answer}").rejected == rejection


@pytest.mark.parametrize("answer", [*WRONG, "3, 1, 1", "1, 9, 9", "1, 1", "1"])
def test_admission_fails_closed(gateway, answer: str) -> None:
    assert Asked(gateway, f"ASSOC {answer}").rejected == (2, 3, 1)


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
def test_identity_of_each_type(gateway, worker, kind: int) -> None:
    worker.out.forget()
    asked = Asked(gateway, "FRIEND", identity(kind))
    assert asked.rejected is None
    assert asked.item(UserIdentityNegotiation).server_response == b"yramirp"
    secret = b"secret" if kind == 2 else b""
    worker.out.wait_for(rf"^identity {kind} b'primary' {secret!r}$")


def test_identity_is_replied_to_only_when_asked(gateway) -> None:
    asked = Asked(gateway, "FRIEND", identity(reply=False))
    assert asked.rejected is None
    assert asked.item(UserIdentityNegotiation) is None


def test_a_failed_identity(gateway) -> None:
    assert Asked(gateway, "USER_ False,None", identity()).rejected == (2, 2, 1)


@pytest.mark.parametrize("answer", [*WRONG, "True", "1, None", "None, None", "True, ''"])
def test_identity_fails_closed(gateway, answer: str) -> None:
    assert Asked(gateway, f"USER_ {answer}", identity()).rejected == (2, 3, 1)


@pytest.mark.parametrize(
    ("answer", "agreed"), [("4, 1", (4, 1)), ("99, 99", (8, 1)), ("1, 1", (1, 1))]
)
def test_window(gateway, answer: str, agreed: tuple[int, int]) -> None:
    asked = Asked(gateway, f"ASYNC {answer}", window(8, 1))
    item = asked.item(AsynchronousOperationsWindowNegotiation)
    assert (
        item.maximum_number_operations_invoked,
        item.maximum_number_operations_performed,
    ) == agreed


@pytest.mark.parametrize("answer", [*WRONG, "-1, 1", "1, 70000", "'8', 1"])
def test_window_fails_to_none(gateway, answer: str) -> None:
    asked = Asked(gateway, f"ASYNC {answer}", window(8, 1))
    assert asked.rejected is None
    assert asked.item(AsynchronousOperationsWindowNegotiation) is None


def test_extended(gateway) -> None:
    asked = Asked(gateway, "FRIEND", extended(wire.CT, b"\x01\x02"))
    item = asked.item(SOPClassExtendedNegotiation)
    assert item.sop_class_uid == wire.CT
    assert item.service_class_application_information == b"\x01\x02!"


@pytest.mark.parametrize("answer", [*WRONG, "{}", "{'1':b''}", "{1:b''}", "{'1':1}"])
def test_extended_fails_to_none(gateway, answer: str) -> None:
    asked = Asked(gateway, f"SOP_E {answer}", extended(wire.CT, b"\x01\x02"))
    assert asked.rejected is None
    assert asked.item(SOPClassExtendedNegotiation) is None


def test_common(gateway, worker) -> None:
    worker.out.forget()
    assert Asked(gateway, "FRIEND", common(wire.CT)).rejected is None
    worker.out.wait_for(rf"^common {wire.CT} 1.2.840.10008.4.2$")
    worker.out.wait_for(rf"^related {wire.MR}$")


@pytest.mark.parametrize("answer", [*WRONG, "{}", "{1: 2}"])
def test_common_goes_wrong(gateway, answer: str) -> None:
    assert Asked(gateway, f"SOP_C {answer}", common(wire.CT)).rejected is None


@pytest.mark.parametrize(
    ("proposed", "granted"),
    [((True, True), (True, True)), ((False, True), (False, True)), ((True, False), (True, False))],
)
def test_roles(gateway, proposed, granted) -> None:
    scu, scp = proposed
    asked = Asked(gateway, "FRIEND", build_role(wire.CT, scu_role=scu, scp_role=scp))
    (context,) = [c for c in asked.assoc.accepted_contexts if c.abstract_syntax == wire.CT]
    assert (context.as_scu, context.as_scp) == granted


def test_nobody_was_harmed(gateway) -> None:
    assert echo_ok(gateway.address)

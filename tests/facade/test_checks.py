"""What programs assign is checked as by pynetdicom: the same types and texts of exceptions."""

import re
import warnings

import pynetdicom
import pynetdicom.utils
import pytest
from pydicom.config import IGNORE
from pydicom.uid import UID

import gateway

LONG = "1" * 65
UIDS = ("1.2.3", "1.02", LONG, b"1.2", bytes([0xFF]), 5)
TITLES = (
    *("ACME", " A ", "", " ", "A" * 17, "A\\B", "A\tB", "é", None, 5),
    *(b"ACME", b"", bytes([0xFF])),
)


def result(call, *arguments, **options):
    """Return what a call returns, or the type and text of what it raises, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = call(*arguments, **options)
        except (TypeError, ValueError) as error:
            found = type(error), str(error)
    return found, [(w.category, str(w.message)) for w in caught if "pydicom" not in w.filename]


def assigned(made, name, value):
    setattr(made, name, value)
    return getattr(made, name)


@pytest.fixture(params=[False, True], ids=["lenient", "enforced"])
def _conformance(request, monkeypatch):
    for flags in (gateway.config_flags, pynetdicom._config):
        monkeypatch.setattr(flags, "ENFORCE_UID_CONFORMANCE", request.param)


@pytest.mark.usefixtures("_conformance")
@pytest.mark.parametrize("options", [{}, {"allow_empty": False, "allow_none": False},
                                     {"validate": False}])  # fmt: skip
@pytest.mark.parametrize("value", [*UIDS, "", None])
def test_set_uid(value, options):
    expected = result(pynetdicom.utils.set_uid, value, "foo", **options)
    assert result(gateway.utils.set_uid, value, "foo", **options) == expected


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("value", TITLES)
def test_set_ae(value, allowed):
    expected = result(pynetdicom.utils.set_ae, value, "foo", allowed, allowed)
    assert result(gateway.utils.set_ae, value, "foo", allowed, allowed) == expected


@pytest.mark.parametrize("name", ["ae_title", "implementation_version_name"])
@pytest.mark.parametrize("value", TITLES)
def test_titles_and_names_of_an_ae(name, value):
    expected = result(assigned, pynetdicom.AE(), name, value)
    assert result(assigned, gateway.AE(), name, value) == expected


@pytest.mark.parametrize("value", [[""], ["A"], [b"A"], ["  "], [5], ["A", "B"], []])
def test_required_calling_titles(value):
    expected = result(assigned, pynetdicom.AE(), "require_calling_aet", value)
    assert result(assigned, gateway.AE(), "require_calling_aet", value) == expected


@pytest.mark.usefixtures("_conformance")
@pytest.mark.parametrize("value", UIDS)
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("AE", "implementation_class_uid"),
        ("PresentationContext", "abstract_syntax"),
        ("SCP_SCU_RoleSelectionNegotiation", "sop_class_uid"),
        ("SOPClassExtendedNegotiation", "sop_class_uid"),
        ("SOPClassCommonExtendedNegotiation", "service_class_uid"),
        ("ImplementationClassUIDNotification", "implementation_class_uid"),
    ],
)
def test_uids_of_items_contexts_and_aes(kind, name, value):
    found = []
    for lib in (gateway, pynetdicom):
        homes = (lib, lib.presentation, lib.pdu_primitives)
        [made] = [getattr(home, kind)() for home in homes if kind in dir(home)][:1]
        found.append(result(assigned, made, name, value))
    assert found[0] == found[1]


@pytest.mark.usefixtures("_conformance")
@pytest.mark.parametrize("value", ["1.2.840.10008.1.2", "1.2.", LONG, b"1.2", 5, None])
def test_transfer_syntaxes(value):
    def added(lib):
        context = lib.build_context("1.2.3")
        context.transfer_syntax = []
        context.add_transfer_syntax(value)
        return context.transfer_syntax

    assert result(added, gateway) == result(added, pynetdicom)


@pytest.mark.parametrize(
    ("uid", "text"),
    [("1.02", "Non-conformant 'foo' value '1.02'"), (LONG, "must not exceed 64 characters")],
)
def test_what_is_wrong_is_logged(uid, text, caplog):
    result(gateway.utils.set_uid, UID(uid, validation_mode=IGNORE), "foo")
    assert text in caplog.text


def test_a_transfer_syntax_that_is_none_is_logged(caplog):
    gateway.build_context("1.2.3", "1.2.840.10008.1.1")
    assert "that is not a transfer syntax" in caplog.text
    caplog.clear()
    for syntax in (*gateway.ALL_TRANSFER_SYNTAXES, "1.2.3.4"):
        gateway.build_context("1.2.3", syntax)
    assert not caplog.text


def test_codecs_are_tried_in_turn(monkeypatch):
    monkeypatch.setattr(gateway.config_flags, "CODECS", ("ascii", "utf8"))
    assert gateway.utils.decode_bytes("é".encode()) == "é"
    with pytest.raises(ValueError, match=re.escape("'FF' using the ascii, utf8 codec(s)")):
        gateway.utils.decode_bytes(bytes([0xFF]))


REGISTERED = [
    ("1.2.3.9", "2foo", "VerificationServiceClass", ""),
    ("1.2.3.9", "class", "VerificationServiceClass", ""),
    ("1.2.3.9", "Foo", "QueryRetrieveServiceClass", "C-ECHO"),
    ("1.2.3.9", "Foo", "", ""),
]


@pytest.mark.parametrize(("uid", "keyword", "service", "message"), REGISTERED)
def test_what_register_uid_refuses(uid, keyword, service, message, monkeypatch):
    # pynetdicom keeps a name that it refuses
    monkeypatch.setattr(pynetdicom.sop_class, keyword, "", raising=False)
    found = []
    for lib in (gateway, pynetdicom):
        kind = getattr(lib.service_class, service) if service else "no class"
        found.append(result(lib.sop_class.register_uid, uid, keyword, kind, message))
    assert found[0] == found[1]


def test_items_read_as_by_pynetdicom():
    for kind, name, value in (
        ("MaximumLengthNotification", "maximum_length_received", 16382),
        ("ImplementationClassUIDNotification", "implementation_class_uid", "1.2.3"),
        ("ImplementationVersionNameNotification", "implementation_version_name", "ACME"),
        ("AsynchronousOperationsWindowNegotiation", "maximum_number_operations_invoked", 3),
    ):
        texts = []
        for lib in (gateway, pynetdicom):
            made = getattr(lib.pdu_primitives, kind)()
            setattr(made, name, value)
            texts.append(str(made))
        assert texts[0] == texts[1]


def test_the_text_of_an_identity_has_no_secret():
    item = gateway.pdu_primitives.UserIdentityNegotiation()
    item.user_identity_type, item.positive_response_requested = 2, True
    item.primary_field, item.secondary_field = b"somebody", b"swordfish"
    assert str(item).splitlines() == [
        "User Identity Parameters",
        "  User identity type: 2",
        "  Positive response requested: True",
        "  Primary field: 8 bytes",
        "  Secondary field: 9 bytes",
    ]

"""The attributes of an AE, compared with pynetdicom's AE after the same assignments."""

from __future__ import annotations

import socket

import pynetdicom
import pytest

import gateway
from tests.interop.both import CT, ECHO, HOST, MR

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BOTH = pytest.mark.parametrize("lib", [pynetdicom, gateway], ids=["pynetdicom", "gateway"])


@BOTH
def test_defaults(lib):
    ae = lib.AE()
    assert ae.ae_title == "PYNETDICOM"
    assert (ae.acse_timeout, ae.dimse_timeout, ae.network_timeout) == (30, 30, 60)
    assert ae.connection_timeout is None
    assert (ae.maximum_associations, ae.maximum_pdu_size) == (10, 16382)
    assert (ae.require_called_aet, ae.require_calling_aet) == (False, [])
    assert (ae.requested_contexts, ae.supported_contexts) == ([], [])
    assert ae.active_associations == []
    assert len(ae.implementation_version_name) <= 16
    assert ae.implementation_class_uid.is_valid


@BOTH
@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("ae_title", "", ValueError),
        ("ae_title", "   ", ValueError),
        ("ae_title", "A" * 17, ValueError),
        ("ae_title", "A\\B", ValueError),
        ("ae_title", "\u00e4", ValueError),
        ("ae_title", 5, TypeError),
        ("ae_title", None, TypeError),
        ("implementation_class_uid", "no uid", (ValueError, UserWarning)),
        ("implementation_class_uid", 5, TypeError),
        ("implementation_version_name", "", ValueError),
        ("implementation_version_name", "A" * 17, ValueError),
        ("require_calling_aet", ["A" * 17], ValueError),
        ("require_calling_aet", [5], TypeError),
    ],
)
def test_refused(lib, name, value, error):
    ae = lib.AE()
    with pytest.raises(error):
        setattr(ae, name, value)


@BOTH
@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("acse_timeout", "soon", 30),
        ("acse_timeout", None, None),
        ("acse_timeout", 0.5, 0.5),
        ("dimse_timeout", -1, 30),
        ("network_timeout", "x", 60),
        ("connection_timeout", -1, None),
        ("maximum_associations", 0, 1),
        ("maximum_associations", "a", 1),
        ("maximum_pdu_size", -1, 16382),
        ("maximum_pdu_size", 0, 0),
        ("implementation_version_name", None, None),
        ("require_calling_aet", ["A", "B"], ["A", "B"]),
    ],
)
def test_kept(lib, name, value, kept):
    ae = lib.AE()
    setattr(ae, name, value)
    assert getattr(ae, name) == kept


def listed(contexts):
    return [(str(c.abstract_syntax), [str(t) for t in c.transfer_syntax]) for c in contexts]


@BOTH
def test_contexts(lib):
    ae = lib.AE()
    ae.add_supported_context(CT, [IMPLICIT])
    ae.add_supported_context(ECHO, EXPLICIT)
    ae.add_supported_context(CT, EXPLICIT)
    assert listed(ae.supported_contexts) == [(ECHO, [EXPLICIT]), (CT, [IMPLICIT, EXPLICIT])]
    ae.remove_supported_context(CT, IMPLICIT)
    ae.remove_supported_context(ECHO)
    assert listed(ae.supported_contexts) == [(CT, [EXPLICIT])]
    ae.add_requested_context(MR, [IMPLICIT])
    ae.add_requested_context(MR, [IMPLICIT, EXPLICIT])
    ae.remove_requested_context(MR, IMPLICIT)
    assert listed(ae.requested_contexts) == [(MR, [EXPLICIT])]
    ae.requested_contexts = lib.VerificationPresentationContexts
    assert [uid for uid, _ in listed(ae.requested_contexts)][-1:] == [ECHO]
    ae.supported_contexts = []
    assert ae.supported_contexts == []
    assert ECHO not in str(ae)


@BOTH
def test_contexts_refused(lib):
    ae = lib.AE()
    with pytest.raises(TypeError):
        ae.add_supported_context(CT, scu_role="yes")
    with pytest.raises(ValueError):  # noqa: PT011 - the texts differ
        ae.requested_contexts = ["1.2"]
    with pytest.raises(ValueError):  # noqa: PT011
        ae.supported_contexts = ["1.2"]
    for number in range(128):
        ae.add_requested_context(f"1.2.{number}")
    with pytest.raises(ValueError, match=r"128|maximum"):
        ae.add_requested_context("1.2.128")
    with pytest.raises(ValueError, match="128"):
        ae.requested_contexts = [lib.build_context(CT)] * 129


@pytest.mark.parametrize(
    ("args", "options", "error"),
    [
        ((5, 104), {}, TypeError),
        ((("::1", 0), 104), {}, TypeError),
        ((HOST, "104"), {}, TypeError),
        ((HOST, 104), {"bind_address": "here"}, TypeError),
        ((HOST, 104), {"bind_address": (HOST,)}, TypeError),
        ((HOST, 104), {"ae_title": ""}, ValueError),
        ((HOST, 104), {"contexts": ["1.2"]}, ValueError),
        ((HOST, 104), {"ext_neg": ["1.2"]}, TypeError),
    ],
)
def test_associate_refused(args, options, error):
    ae = gateway.AE()
    ae.add_requested_context(ECHO)
    with pytest.raises(error):
        ae.associate(*args, **options)


def test_associate_without_a_context():
    with pytest.raises(RuntimeError, match="presentation context"):
        gateway.AE().associate(HOST, 104)


@BOTH
def test_serve_without_a_context(lib):
    with pytest.raises(ValueError, match="No supported Presentation Contexts"):
        lib.AE().start_server((HOST, 0), block=False)


@BOTH
def test_serve_with_half_a_role(lib):
    ae = lib.AE()
    ae.add_supported_context(CT, scu_role=True)
    with pytest.raises(ValueError, match="scu_role"):
        ae.start_server((HOST, 0), block=False)


def test_port_in_use():
    ae = gateway.AE()
    ae.add_supported_context(ECHO)
    with socket.create_server((HOST, 0)) as other:
        with pytest.raises(OSError, match="in use") as caught:
            ae.start_server(other.getsockname(), block=False)
        assert caught.value.errno == 98


def test_every_name_of_pynetdicom_is_there():
    names = {
        name for name in vars(pynetdicom) if name.endswith(("PresentationContexts", "_SYNTAXES"))
    }
    names |= {"AE", "Association", "build_context", "build_role", "evt", "register_uid"}
    names |= {"debug_logger", "sop_class", "status"}
    assert [name for name in sorted(names) if not hasattr(gateway, name)] == []
    assert set(names) - set(dir(gateway)) == set()


@pytest.mark.parametrize("kind", [gateway.AE, gateway.Association])
def test_attributes_of_a_class_are_found_without_an_instance(kind):
    assert all(hasattr(kind, name) for name in dir(kind))
    assert hasattr(kind, "dimse_timeout")


def test_register_uid():
    from gateway import sop_class
    from gateway.service_class import QueryRetrieveServiceClass, StorageServiceClass

    gateway.register_uid("1.2.826.0.1.7", "FoundOfMine", StorageServiceClass)
    assert sop_class.FoundOfMine == "1.2.826.0.1.7"
    with pytest.raises(ValueError, match="keyword"):
        gateway.register_uid("1.2.3", "class", StorageServiceClass)
    with pytest.raises(TypeError, match="service_class"):
        gateway.register_uid("1.2.3", "Fine", StorageServiceClass())
    with pytest.raises(ValueError, match="dimse_msg_type"):
        gateway.register_uid("1.2.3", "Fine", QueryRetrieveServiceClass)


def test_registered_uids_are_in_no_list_of_contexts():
    from gateway.facade import presentation_contexts as presentation
    from gateway.service_class import StorageServiceClass, VerificationServiceClass

    presentation.__dict__.pop("VerificationPresentationContexts", None)
    presentation.__dict__.pop("AllStoragePresentationContexts", None)
    gateway.register_uid("1.2.826.0.1.8", "StorageOfMine", StorageServiceClass)
    gateway.register_uid("1.2.826.0.1.9", "VerificationOfMine", VerificationServiceClass)
    lists = gateway.VerificationPresentationContexts, gateway.AllStoragePresentationContexts
    mine = {"1.2.826.0.1.8", "1.2.826.0.1.9"}
    assert not [c for contexts in lists for c in contexts if c.abstract_syntax in mine]


def test_code_to_status():
    assert gateway.status.code_to_status(0xA700).Status == 0xA700
    with pytest.raises(ValueError, match="positive"):
        gateway.status.code_to_status(-1)


def test_a_request_handler_is_refused_with_the_reason():
    ae = gateway.AE()
    ae.add_supported_context("1.2.840.10008.1.1")
    with pytest.raises(TypeError, match="accepted by another process"):
        ae.make_server(("127.0.0.1", 0), request_handler=object)

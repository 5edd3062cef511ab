"""Which contexts are proposed for which instances."""

from __future__ import annotations

import pytest

from gateway.datasets import BASIC_SYNTAXES, Instance
from gateway.errors import LocalProtocolError
from gateway.requestor.get_contexts import COMPRESSED, common_sop_classes, get_contexts
from gateway.requestor.plan import contexts_of, plan
from gateway.requestor.proposal import Proposal
from gateway.uid import KEYWORDS, STORAGE_SOP_CLASSES, TRANSFER_SYNTAXES
from tests.peers import wire


def instance(sop_class: str, syntax: str) -> Instance:
    return Instance(sop_class, "1.2.3", syntax, 4, data=b"data")


def test_each_transfer_syntax_has_a_context_and_the_uncompressed_an_alternative() -> None:
    (batch,) = plan(
        [
            instance(wire.CT, wire.EXPLICIT),
            instance(wire.CT, wire.JPEG_BASELINE),
            instance(wire.CT, wire.EXPLICIT),
            instance(wire.MR, wire.JPEG_BASELINE),
        ]
    )
    assert batch.contexts == (
        (wire.CT, (wire.EXPLICIT,)),
        (wire.CT, (wire.JPEG_BASELINE,)),
        (wire.CT, (wire.IMPLICIT, wire.BIG_ENDIAN)),
        (wire.MR, (wire.JPEG_BASELINE,)),
    )
    assert len(batch.instances) == 4


def test_no_alternative_without_conversion() -> None:
    (batch,) = plan([instance(wire.CT, wire.DEFLATED)], convert=False)
    assert batch.contexts == ((wire.CT, (wire.DEFLATED,)),)


def test_more_than_128_contexts_take_further_associations() -> None:
    everything = [
        instance(sop_class, syntax)
        for sop_class in STORAGE_SOP_CLASSES[:20]
        for syntax in TRANSFER_SYNTAXES[:20]
    ]
    batches = plan(everything)
    assert len(batches) > 3
    assert sum(len(batch.instances) for batch in batches) == len(everything)
    for batch in batches:
        assert len(batch.contexts) <= 128
        Proposal(batch.contexts).request().encode()
        proposed = {(uid, syntax) for uid, syntaxes in batch.contexts for syntax in syntaxes}
        assert {(i.sop_class_uid, i.transfer_syntax_uid) for i in batch.instances} <= proposed


def test_the_first_classes_have_all_of_their_contexts() -> None:
    pairs = [(wire.CT, wire.JPEG_BASELINE), (wire.MR, wire.IMPLICIT), (wire.CT, wire.EXPLICIT)]
    whole = contexts_of(pairs)
    assert whole == (
        (wire.CT, (wire.JPEG_BASELINE,)),
        (wire.CT, (wire.EXPLICIT,)),
        (wire.CT, (wire.IMPLICIT, wire.BIG_ENDIAN)),
        (wire.MR, (wire.IMPLICIT,)),
        (wire.MR, (wire.EXPLICIT, wire.BIG_ENDIAN)),
    )
    assert contexts_of(pairs, limit=4) == whole[:3]


def test_nothing_to_send_takes_no_association() -> None:
    assert plan([]) == []


MODEL = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]


def test_get_proposes_the_usual_classes_and_the_roles() -> None:
    contexts, roles = get_contexts(MODEL)
    assert contexts[0] == (MODEL, BASIC_SYNTAXES)
    assert len(contexts) <= 128
    assert (wire.CT, BASIC_SYNTAXES) in contexts
    assert (wire.CT, COMPRESSED) in contexts
    assert set(roles.values()) == {(False, True)}
    assert MODEL not in roles
    for keyword in ("RTStructureSetStorage", "EncapsulatedPDFStorage", "BasicTextSRStorage"):
        assert KEYWORDS[keyword] in common_sop_classes()
    assert len(Proposal(contexts, roles=roles).request().encode()) < 65536


def test_get_of_named_classes_and_syntaxes() -> None:
    contexts, _ = get_contexts(MODEL, [wire.CT], [wire.JPEG_BASELINE, wire.EXPLICIT])
    assert contexts[1:] == ((wire.CT, (wire.JPEG_BASELINE,)), (wire.CT, (wire.EXPLICIT,)))
    with pytest.raises(LocalProtocolError, match="room for 127"):
        get_contexts(MODEL, [], [wire.JPEG_BASELINE, wire.EXPLICIT])

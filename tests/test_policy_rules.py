"""The rules of the policy: who is let in, for what, and the sentence that says why."""

import pytest

from gateway.policy_rules import SERVICE_WORDS, Permit, RequestingPeer, decide
from gateway.policy_settings import PolicyRule, PolicySettings
from gateway.uid import KEYWORDS, VERIFICATION

CT = KEYWORDS["CTImageStorage"]
MR = KEYWORDS["MRImageStorage"]
FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
GET = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]
EXPLICIT, IMPLICIT = KEYWORDS["ExplicitVRLittleEndian"], KEYWORDS["ImplicitVRLittleEndian"]

SCANNERS = PolicyRule(name="scanners", calling=("CT*", "MR?"), addresses=("10.0.0.0/24", "::1"))
PACS = PolicyRule(name="PACS", calling=("PACS",), called=("ARCHIVE",), tls_subjects=("CN=pacs,*",))
REJECTED = PolicyRule(calling=("BAD",), accept=False)
NAMED = PolicyRule(calling=("WEB",), user_identity=True)
TABLE = PolicySettings(rules=(SCANNERS, PACS, REJECTED, NAMED))


def verdict(calling: str, address: str = "10.0.0.7", settings=TABLE, called="GATEWAY", **more):
    return decide(settings, "GATEWAY", RequestingPeer(calling, called, address, **more))


@pytest.mark.parametrize(
    ("calling", "address", "rule"),
    [
        ("CT1", "10.0.0.7", SCANNERS),
        ("CT", "10.0.0.255", SCANNERS),
        ("MR1", "::ffff:10.0.0.7", SCANNERS),
        ("MR1", "::1%lo", SCANNERS),
        ("MR12", "10.0.0.7", None),
        ("ct1", "10.0.0.7", None),
        ("CT1", "10.0.1.7", None),
        ("CT1", "", None),
        ("", "10.0.0.7", None),
    ],
)
def test_calling_title_and_address(calling: str, address: str, rule: PolicyRule | None) -> None:
    found = verdict(calling, address)
    assert found.rule is rule
    assert (found.rejection is None) == (rule is not None)


def test_called_title_and_certificate() -> None:
    assert verdict("PACS", called="ARCHIVE", tls_subject="CN=pacs,O=Example").rule is PACS
    assert verdict("PACS", called="ARCHIVE", tls_subject="CN=other,O=Example").rejection
    assert verdict("PACS", called="ARCHIVE").rejection
    assert verdict("PACS", called="GATEWAY", tls_subject="CN=pacs,O=Example").rejection


def test_without_a_table_everybody_is_let_in() -> None:
    assert verdict("ANY", settings=PolicySettings()).rejection is None


def test_the_first_match_decides() -> None:
    all_but_one = PolicySettings(rules=(REJECTED, PolicyRule()))
    assert verdict("BAD", settings=all_but_one).rejection
    assert verdict("GOOD", settings=all_but_one).rejection is None
    assert verdict("BAD", settings=PolicySettings(rules=(PolicyRule(), REJECTED))).rule


SENTENCES = {
    "matches no rule of policy.rules: add one with calling = ['US1']": {"calling": "US1"},
    "rule 1 (scanners) would, but its `addresses` lacks '192.0.2.1': add it there": {
        "calling": "CT1",
        "address": "192.0.2.1",
    },
    "rule 2 (PACS) would, but its `called` lacks 'GATEWAY': add it there": {"calling": "PACS"},
    "but it asks for a certificate, and the peer shows none": {
        "calling": "PACS",
        "called": "ARCHIVE",
    },
    "its `tls_subjects` lacks 'CN=x': add it there": {
        "calling": "PACS",
        "called": "ARCHIVE",
        "tls_subject": "CN=x",
    },
    "is rejected by rule 3: put a rule that accepts it before that one": {"calling": "BAD"},
    "sends no user identity, which rule 4 requires": {"calling": "WEB"},
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_rejection_names_what_to_change(sentence: str) -> None:
    found = verdict(**SENTENCES[sentence])
    assert found.rejection is not None
    assert sentence in found.sentence


def test_older_settings_hold_besides() -> None:
    strict = PolicySettings(require_called_ae_title=True, calling_ae_titles=("CT1",))
    assert verdict("CT1", settings=strict).rejection is None
    called = verdict("CT1", settings=strict, called="OTHER")
    assert "policy.require_called_ae_title" in called.sentence
    calling = verdict("CT2", settings=strict)
    assert "add 'CT2' there" in calling.sentence
    assert {(v.rejection.source, v.rejection.reason) for v in (called, calling)} == {(1, 7), (1, 3)}


def test_peers_cannot_write_into_a_sentence() -> None:
    assert "\n" not in verdict("A\nB\x1b[2J").sentence
    assert "\x1b" not in verdict("A\nB\x1b[2J").sentence


# what is permitted


@pytest.mark.parametrize(
    ("rule", "permitted"),
    [
        (PolicyRule(), {CT: (True, True), FIND: (True, True), VERIFICATION: (True, True)}),
        (PolicyRule(services=("storage",)), {CT: (True, True), FIND: (False, False)}),
        (PolicyRule(services=("C-FIND",)), {FIND: (True, True), GET: (False, False)}),
        (PolicyRule(services=("query-retrieve",)), {FIND: (True, True), GET: (True, True)}),
        (PolicyRule(sop_classes=("CTImageStorage",)), {CT: (True, True), MR: (False, False)}),
        (
            PolicyRule(services=("verification",), sop_classes=(CT,)),
            {VERIFICATION: (True, True), CT: (True, True), MR: (False, False)},
        ),
        (PolicyRule(services=("storage",), roles=("scu",)), {CT: (True, False)}),
        (PolicyRule(services=("C-GET",)), {GET: (True, True), CT: (False, True)}),
    ],
)
def test_services_classes_and_roles(rule: PolicyRule, permitted: dict) -> None:
    assert {uid: Permit(rule).roles(uid) for uid in permitted} == permitted


def test_transfer_syntaxes() -> None:
    permit = Permit(PolicyRule(transfer_syntaxes=("ExplicitVRLittleEndian",)))
    assert permit.syntaxes((IMPLICIT, EXPLICIT)) == (EXPLICIT,)
    assert permit.syntaxes(frozenset({IMPLICIT})) == frozenset()
    assert Permit(PolicyRule()).syntaxes((IMPLICIT, EXPLICIT)) == (IMPLICIT, EXPLICIT)


def test_words_for_services_are_the_standards() -> None:
    assert {"storage", "verification", "query-retrieve", "C-STORE", "C-FIND"} <= set(SERVICE_WORDS)
    assert {"basic-worklist-management", "storage-commitment", "N-ACTION"} <= set(SERVICE_WORDS)

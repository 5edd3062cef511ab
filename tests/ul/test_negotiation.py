"""Negotiation: a pure function of request, policy and answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import LocalProtocolError
from gateway.ul.agreement import accepted_contexts, agreed_async_ops, misplaced_answers
from gateway.ul.items import (
    AsyncOperationsWindow,
    ContextResult,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    SopClassCommonExtended,
    SopClassExtended,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
)
from gateway.ul.negotiation import (
    AcceptedContext,
    Answers,
    Policy,
    build_request,
    check_request,
    least,
    negotiate,
    provider_rejection,
)
from gateway.ul.pdu import AAssociateAC, AAssociateRJ
from gateway.ul.upper_layer import Side
from tests.ul import support as s


def asking(**user_information):
    information = replace(s.REQUEST.user_information, **user_information)
    return replace(s.REQUEST, user_information=information)


def proposing(*contexts):
    return replace(s.REQUEST, presentation_contexts=contexts)


def accept(request, policy=s.POLICY, answers=None):
    acceptance = negotiate(request, policy, answers or Answers())
    assert isinstance(acceptance, AAssociateAC)
    return acceptance


def one_context(abstract, *transfer, policy=s.POLICY):
    request = proposing(PresentationContextRQ(1, abstract, transfer))
    (answer,) = accept(request, policy).presentation_contexts
    return answer


def test_the_answer_to_a_plain_request():
    acceptance = negotiate(s.REQUEST, s.POLICY, Answers())
    assert acceptance == AAssociateAC(
        (
            PresentationContextAC(1, ContextResult.ACCEPTANCE, s.IMPLICIT),
            PresentationContextAC(3, ContextResult.ACCEPTANCE, s.EXPLICIT),
        ),
        UserInformation(s.MAX_PDU),
        b"SERVER".ljust(16) + b"CLIENT".ljust(16) + bytes(32),
    )


def test_the_policys_own_names_are_sent():
    policy = replace(s.POLICY, implementation_class_uid="1.9", implementation_version_name="GW")
    information = accept(s.REQUEST, policy).user_information
    assert information == UserInformation(s.MAX_PDU, "1.9", "GW")


class TestRejections:
    @pytest.mark.parametrize("version", [0, 2, 0xFFFE])
    def test_protocol_version(self, version):
        request = replace(s.REQUEST, protocol_version=version)
        assert provider_rejection(request) == AAssociateRJ(1, 2, 2)

    @pytest.mark.parametrize("version", [1, 3, 0xFFFF])
    def test_only_bit_0_counts(self, version):
        assert provider_rejection(replace(s.REQUEST, protocol_version=version)) is None

    @pytest.mark.parametrize("ids", [[0], [2], [254], [1, 1], [1, 3, 5, 3], [1, 2]])
    def test_context_ids(self, ids):
        request = proposing(*(PresentationContextRQ(n, s.CT, (s.IMPLICIT,)) for n in ids))
        assert provider_rejection(request) == AAssociateRJ(1, 2, 1)

    def test_128_contexts_and_no_more(self):
        contexts = [PresentationContextRQ(n, s.CT, (s.IMPLICIT,)) for n in range(1, 256, 2)]
        assert provider_rejection(proposing(*contexts)) is None
        assert provider_rejection(proposing(*contexts, contexts[0])) == AAssociateRJ(1, 2, 1)

    @pytest.mark.parametrize("name", ["", "1.2.3", s.DICOM + ".1"])
    def test_application_context(self, name):
        request = replace(s.REQUEST, application_context_name=name)
        assert check_request(request, s.POLICY) == AAssociateRJ(1, 1, 2)

    def test_blank_titles(self):
        called = replace(s.REQUEST, called_ae_title="")
        calling = replace(s.REQUEST, calling_ae_title="")
        assert check_request(called, s.POLICY) == AAssociateRJ(1, 1, 7)
        assert check_request(calling, s.POLICY) == AAssociateRJ(1, 1, 3)

    def test_called_title_only_if_required(self):
        request = replace(s.REQUEST, called_ae_title="OTHER")
        assert check_request(request, s.POLICY) is None
        strict = replace(s.POLICY, require_called_ae_title=True)
        assert check_request(request, strict) == AAssociateRJ(1, 1, 7)
        assert check_request(s.REQUEST, strict) is None

    def test_calling_titles_only_if_listed(self):
        strict = replace(s.POLICY, calling_ae_titles=("A", "B"))
        assert check_request(s.REQUEST, strict) == AAssociateRJ(1, 1, 3)
        assert check_request(replace(s.REQUEST, calling_ae_title="B"), strict) is None

    def test_admission(self):
        answers = Answers(admission=(2, 3, 1))
        assert negotiate(s.REQUEST, s.POLICY, answers) == AAssociateRJ(2, 3, 1)

    def test_negotiate_checks_by_itself(self):
        request = replace(s.REQUEST, called_ae_title="")
        assert negotiate(request, s.POLICY, Answers()) == AAssociateRJ(1, 1, 7)


class TestContexts:
    def test_unknown_abstract_syntax_is_3(self):
        assert one_context("1.2.3", s.JPEG) == PresentationContextAC(
            1, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, s.JPEG
        )

    @pytest.mark.parametrize("transfer", [(s.JPEG,), ()])
    def test_no_acceptable_transfer_syntax_is_4(self, transfer):
        result = one_context(s.CT, *transfer).result
        assert result is ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED

    def test_the_association_lives_without_any_context(self):
        assert accept(proposing(PresentationContextRQ(1, "1.2.3", ())))

    @pytest.mark.parametrize("order", [(s.IMPLICIT, s.EXPLICIT), (s.EXPLICIT, s.IMPLICIT)])
    def test_the_requestors_order_decides(self, order):
        assert one_context(s.CT, s.JPEG, *order).transfer_syntax == order[0]

    def test_unless_the_configuration_gives_one(self):
        policy = replace(s.POLICY, preference=(s.JPEG, s.EXPLICIT))
        chosen = one_context(s.CT, s.IMPLICIT, s.EXPLICIT, policy=policy)
        assert chosen.transfer_syntax == s.EXPLICIT
        assert one_context(s.CT, s.IMPLICIT, policy=policy).transfer_syntax == s.IMPLICIT

    def test_unrestricted(self):
        policy = replace(s.POLICY, unrestricted={s.JPEG})
        assert one_context("1.2.3", s.JPEG, policy=policy).result == 0
        assert one_context("1.2.3", s.IMPLICIT, policy=policy).result == 4
        assert one_context(s.CT, s.JPEG, policy=policy).result == 4

    @pytest.mark.parametrize("abstract", ["", "../x", "1.2\n", "1" * 65])
    def test_unrestricted_takes_uids_only(self, abstract):
        policy = replace(s.POLICY, unrestricted={s.JPEG})
        assert one_context(abstract, s.JPEG, policy=policy).result == 3


class TestAsyncOps:
    @pytest.mark.parametrize(
        ("proposed", "answer", "reply"),
        [
            ((5, 5), (3, 4), (3, 4)),
            ((5, 5), (9, 9), (5, 5)),
            ((5, 5), (0, 0), (5, 5)),
            ((0, 0), (7, 8), (7, 8)),
            ((0, 0), (0, 0), (0, 0)),
            ((0, 3), (0, 0), (0, 3)),
            ((1, 1), (16, 16), (1, 1)),
        ],
    )
    def test_a_reply_never_exceeds_the_proposal(self, proposed, answer, reply):
        request = asking(async_ops=AsyncOperationsWindow(*proposed))
        information = accept(request, answers=Answers(async_ops=answer)).user_information
        assert information.async_ops == AsyncOperationsWindow(*reply)

    def test_what_is_invoked_there_is_performed_here(self):
        policy = replace(s.POLICY, max_performed=4, max_invoked=2)
        request = asking(async_ops=AsyncOperationsWindow(0, 0))
        information = accept(request, policy, Answers(async_ops=(0, 0))).user_information
        assert information.async_ops == AsyncOperationsWindow(invoked=4, performed=2)

    def test_no_reply_unless_proposed_and_answered(self):
        assert (
            accept(s.REQUEST, answers=Answers(async_ops=(4, 4))).user_information.async_ops is None
        )
        request = asking(async_ops=AsyncOperationsWindow(4, 4))
        assert accept(request).user_information.async_ops is None

    def test_what_was_agreed(self):
        request = asking(async_ops=AsyncOperationsWindow(4, 0))
        acceptance = accept(request, answers=Answers(async_ops=(3, 2)))
        assert agreed_async_ops(request, acceptance) == (3, 2)
        assert agreed_async_ops(request, accept(request)) == (1, 1)
        assert agreed_async_ops(s.REQUEST, acceptance) == (1, 1)

    def test_a_requestor_keeps_to_its_proposal(self):
        request = asking(async_ops=AsyncOperationsWindow(4, 4))
        information = replace(s.ACCEPTANCE.user_information, async_ops=AsyncOperationsWindow(9, 0))
        acceptance = replace(s.ACCEPTANCE, user_information=information)
        assert agreed_async_ops(request, acceptance) == (4, 4)

    def test_least(self):
        assert (least(), least(0, 0), least(3, 0, 2)) == (0, 0, 2)


BOOLEANS = [(scu, scp) for scu in (False, True) for scp in (False, True)]


class TestRoles:
    @pytest.mark.parametrize("proposed", BOOLEANS)
    @pytest.mark.parametrize("allowed", BOOLEANS)
    def test_a_1_may_become_0_but_never_a_0_a_1(self, proposed, allowed):
        request = asking(roles=(RoleSelection(s.CT, *proposed),))
        acceptance = accept(request, replace(s.POLICY, roles=lambda _uid: allowed))
        scu, scp = (p and a for p, a in zip(proposed, allowed, strict=True))
        assert acceptance.user_information.roles == (RoleSelection(s.CT, scu, scp),)
        assert roles_of(request, acceptance, Side.REQUESTOR) == (scu, scp)
        assert roles_of(request, acceptance, Side.ACCEPTOR) == (scp, scu)

    @pytest.mark.parametrize("proposed", BOOLEANS)
    @pytest.mark.parametrize("answered", BOOLEANS)
    def test_a_requestor_takes_no_role_it_did_not_propose(self, proposed, answered):
        request = asking(roles=(RoleSelection(s.CT, *proposed),))
        information = replace(
            s.ACCEPTANCE.user_information, roles=(RoleSelection(s.CT, *answered),)
        )
        acceptance = replace(s.ACCEPTANCE, user_information=information)
        assert roles_of(request, acceptance, Side.REQUESTOR) == tuple(
            p and a for p, a in zip(proposed, answered, strict=True)
        )

    def test_the_default_roles(self):
        assert roles_of(s.REQUEST, s.ACCEPTANCE, Side.REQUESTOR) == (True, False)
        assert roles_of(s.REQUEST, s.ACCEPTANCE, Side.ACCEPTOR) == (False, True)

    def test_no_answer_means_the_default_roles(self):
        request = asking(roles=(RoleSelection(s.CT, True, True),))
        assert roles_of(request, s.ACCEPTANCE, Side.REQUESTOR) == (True, False)

    def test_an_answer_to_no_question_is_ignored(self):
        information = replace(
            s.ACCEPTANCE.user_information, roles=(RoleSelection(s.CT, True, True),)
        )
        acceptance = replace(s.ACCEPTANCE, user_information=information)
        assert roles_of(s.REQUEST, acceptance, Side.REQUESTOR) == (True, False)

    def test_no_roles_without_an_accepted_context(self):
        request = asking(
            roles=(RoleSelection("1.2.3", True, True), RoleSelection(s.JPEG, True, True))
        )
        assert accept(request).user_information.roles == ()

    def test_repeated_proposals_have_one_answer(self):
        request = asking(roles=(RoleSelection(s.CT, True, True), RoleSelection(s.CT, False, True)))
        roles = accept(request).user_information.roles
        assert roles == (RoleSelection(s.CT, False, True),)


def roles_of(request, acceptance, side):
    context = accepted_contexts(request, acceptance, side)[3]
    return context.as_scu, context.as_scp


class TestUserIdentity:
    @pytest.mark.parametrize("asked", [True, False])
    @pytest.mark.parametrize("response", [None, b"", b"ticket"])
    def test_a_reply_only_when_asked_for(self, asked, response):
        request = asking(user_identity=UserIdentityRQ(1, asked, b"user"))
        answers = Answers(user_identity=(True, response))
        reply = accept(request, answers=answers).user_information.user_identity
        assert reply == (UserIdentityAC(response or b"") if asked else None)

    @pytest.mark.parametrize("asked", [True, False])
    def test_a_failed_identity(self, asked):
        request = asking(user_identity=UserIdentityRQ(2, asked, b"user", b"wrong"))
        answers = Answers(user_identity=(False, None))
        assert negotiate(request, s.POLICY, answers) == AAssociateRJ(2, 2, 1)

    def test_nobody_verifies(self):
        request = asking(user_identity=UserIdentityRQ(1, True, b"user"))
        assert accept(request).user_information.user_identity is None

    def test_no_identity_no_reply(self):
        acceptance = accept(s.REQUEST, answers=Answers(user_identity=(False, b"x")))
        assert acceptance.user_information.user_identity is None


def test_extended_negotiation_answers_what_was_proposed():
    request = asking(
        sop_class_extended=(SopClassExtended("1.1", b"\1"), SopClassExtended("1.2", b"\2")),
        sop_class_common_extended=(SopClassCommonExtended("1.1", "1.4"),),
    )
    answers = Answers(sop_extended={"1.2": b"\3", "1.9": b"\4"})
    information = accept(request, answers=answers).user_information
    assert information.sop_class_extended == (SopClassExtended("1.2", b"\3"),)
    assert information.sop_class_common_extended == ()


class TestRequestor:
    def test_contexts_are_numbered(self):
        request = build_request(
            "B", "A", [("1.1", ["2.1"]), ("1.2", ["2.1", "2.2"])], UserInformation(0)
        )
        assert request.presentation_contexts == (
            PresentationContextRQ(1, "1.1", ("2.1",)),
            PresentationContextRQ(3, "1.2", ("2.1", "2.2")),
        )

    def test_128_contexts(self):
        request = build_request("B", "A", [("1.1", ["2.1"])] * 128, UserInformation(0))
        assert [c.id for c in request.presentation_contexts] == list(range(1, 256, 2))

    @pytest.mark.parametrize("contexts", [[], [("1.1", ["2.1"])] * 129, [("1.1", [])]])
    def test_what_cannot_be_proposed(self, contexts):
        with pytest.raises(LocalProtocolError):
            build_request("B", "A", contexts, UserInformation(0))

    @pytest.mark.parametrize(
        ("answers", "usable", "text"),
        [
            ([(5, 0, s.IMPLICIT), (3, 0, s.EXPLICIT)], [3], "context 5 was not proposed"),
            ([(2, 0, s.IMPLICIT), (3, 0, s.EXPLICIT)], [3], "context 2 was not proposed"),
            ([(5, 3, ""), (1, 0, s.IMPLICIT)], [1], "context 5 was not proposed"),
            ([(1, 0, s.IMPLICIT), (1, 3, ""), (3, 0, s.EXPLICIT)], [3], "2 different answers"),
            ([(1, 0, s.EXPLICIT), (3, 0, s.EXPLICIT)], [3], "transfer syntax was not proposed"),
            ([(3, 0, s.JPEG), (1, 0, s.IMPLICIT)], [1], "transfer syntax was not proposed"),
            ([(3, 0, ""), (1, 0, s.IMPLICIT)], [1], "transfer syntax was not proposed"),
        ],
    )
    def test_a_wrong_answer_costs_its_context_only(self, answers, usable, text):
        acceptance = answering(answers)
        assert list(accepted_contexts(s.REQUEST, acceptance, Side.REQUESTOR)) == usable
        (told,) = misplaced_answers(s.REQUEST, acceptance)
        assert text in told

    @pytest.mark.parametrize(
        ("answers", "usable"),
        [
            ([], []),
            ([(1, 0, s.IMPLICIT)], [1]),
            ([(1, 0, s.IMPLICIT), (1, 0, s.IMPLICIT)], [1]),
            ([(3, 0, s.EXPLICIT), (1, 4, "nonsense")], [3]),
            ([(3, 0, s.EXPLICIT), (1, 77, "")], [3]),
        ],
    )
    def test_answers_in_any_order_or_missing(self, answers, usable):
        acceptance = answering(answers)
        assert list(accepted_contexts(s.REQUEST, acceptance, Side.REQUESTOR)) == usable
        assert misplaced_answers(s.REQUEST, acceptance) == []

    def test_only_accepted_contexts_count(self):
        contexts = accepted_contexts(
            s.REQUEST, answering([(3, 0, s.EXPLICIT), (1, 3, ""), (9, 0, "x")]), Side.REQUESTOR
        )
        assert contexts == {3: AcceptedContext(3, s.CT, s.EXPLICIT, True, False)}


def answering(answers):
    contexts = tuple(PresentationContextAC(i, r, t) for i, r, t in answers)
    return replace(s.ACCEPTANCE, presentation_contexts=contexts)


def test_an_empty_policy_accepts_no_context():
    assert [
        c.result
        for c in accept(s.REQUEST, Policy("X", {}, max_pdu=s.MAX_PDU)).presentation_contexts
    ] == [3, 3]


class TestPermission:
    """What a rule of the policy leaves to a requestor."""

    @staticmethod
    def results(
        permitted: tuple[bool, bool], role: tuple[bool, bool] | None
    ) -> tuple[int, list[RoleSelection]]:
        policy = replace(s.POLICY, permits=lambda _: permitted, only_served=True)
        items = () if role is None else (RoleSelection(s.CT, *role),)
        user = replace(s.REQUEST.user_information, roles=items)
        request = replace(s.REQUEST, user_information=user)
        (answer,) = (
            answer
            for context, answer in zip(
                request.presentation_contexts,
                accept(request, policy).presentation_contexts,
                strict=True,
            )
            if context.abstract_syntax == s.CT
        )
        return int(answer.result), list(accept(request, policy).user_information.roles)

    @pytest.mark.parametrize(
        ("permitted", "role", "result", "answered"),
        [
            ((True, True), None, 0, []),
            ((False, True), None, 1, []),
            ((False, False), None, 1, []),
            ((False, True), (False, True), 0, [(False, True)]),
            ((False, True), (True, True), 0, [(False, True)]),
            ((True, False), (True, True), 0, [(True, False)]),
            ((True, False), (False, True), 0, []),
            ((False, False), (True, True), 1, []),
        ],
    )
    def test_roles(self, permitted, role, result, answered) -> None:
        wanted = [RoleSelection(s.CT, *roles) for roles in answered]
        assert self.results(permitted, role) == (result, wanted)

    def test_transfer_syntaxes(self) -> None:
        policy = replace(s.POLICY, permitted_syntaxes=lambda syntaxes: set(syntaxes) - {s.EXPLICIT})
        chosen = {
            answer.transfer_syntax
            for answer in accept(s.REQUEST, policy).presentation_contexts
            if answer.result == 0
        }
        assert chosen == {s.IMPLICIT}

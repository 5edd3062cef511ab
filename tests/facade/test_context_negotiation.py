"""`negotiate_as_acceptor` and the like: the same results as pynetdicom's."""

import itertools

import pynetdicom.presentation as theirs
import pytest

from gateway import presentation as ours

CT, VERIFICATION, MPPS = (
    *("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"),
    "1.2.840.10008.3.1.2.3.3",
)
IMPLICIT, EXPLICIT, JPEG = (
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"),
    "1.2.840.10008.1.2.4.70",
)
ROLES = list(itertools.product((None, True, False), repeat=2))
STATED = [roles for roles in ROLES if None not in roles]
LIBRARIES = pytest.mark.parametrize("lib", [ours, theirs], ids=["gateway", "pynetdicom"])


def context(lib, abstract, syntaxes=(IMPLICIT,), context_id=None, roles=(None, None), result=None):
    made = lib.build_context(abstract, list(syntaxes))
    made.context_id, made.result = context_id, result
    made.scu_role, made.scp_role = roles
    return made


def told(contexts):
    return [
        (c.context_id, c.abstract_syntax, c.transfer_syntax, c.result, (c.as_scu, c.as_scp))
        if c.result == 0
        else (c.context_id, c.abstract_syntax, c.transfer_syntax, c.result)
        for c in contexts
    ]


def items(roles):
    return [(item.sop_class_uid, item.scu_role, item.scp_role) for item in roles]


def as_acceptor(lib, name="negotiate_as_acceptor", proposed=(None, None), allowed=(None, None)):
    contexts, roles = getattr(lib, name)(
        [context(lib, CT, context_id=1)], [context(lib, CT, roles=allowed)], {CT: proposed}
    )
    return told(contexts), items(roles)


@pytest.mark.parametrize("allowed", ROLES)
@pytest.mark.parametrize("proposed", [(None, None), *STATED])
def test_an_acceptor_grants_roles_as_pynetdicom_does(proposed, allowed):
    expected = as_acceptor(theirs, proposed=proposed, allowed=allowed)
    assert as_acceptor(ours, proposed=proposed, allowed=allowed) == expected


@pytest.mark.parametrize("proposed", STATED)
def test_unrestricted_storage_grants_what_is_proposed(proposed):
    name = "negotiate_unrestricted"
    assert as_acceptor(ours, name, proposed) == as_acceptor(theirs, name, proposed)


@pytest.mark.parametrize("granted", ROLES)
@pytest.mark.parametrize("proposed", [(None, None), *STATED])
def test_a_requestor_takes_roles_as_pynetdicom_does(proposed, granted):
    def concluded(lib):
        rq = context(lib, CT, context_id=1, roles=proposed)
        ac = context(lib, CT, context_id=1, result=0)
        return told(lib.negotiate_as_requestor([rq], [ac], {CT: granted}))

    assert concluded(ours) == concluded(theirs)


def mixed(lib, name):
    """Negotiate contexts that are supported, and not, in other syntaxes, and twice."""
    rq = [
        context(lib, CT, (JPEG,), 9),
        context(lib, CT, (IMPLICIT, EXPLICIT), 3),
        context(lib, VERIFICATION, (IMPLICIT,), 1),
        context(lib, MPPS, (IMPLICIT,), 5),
        context(lib, "1.2.3", (JPEG, "1.2.3.4"), 7),
    ]
    ac = [context(lib, CT, (EXPLICIT, IMPLICIT)), context(lib, VERIFICATION, (IMPLICIT,))]
    contexts, roles = getattr(lib, name)(rq, ac)
    return told(contexts), items(roles)


@pytest.mark.parametrize("name", ["negotiate_as_acceptor", "negotiate_unrestricted"])
def test_contexts_of_all_kinds(name):
    assert mixed(ours, name) == mixed(theirs, name)


@LIBRARIES
def test_the_answer_of_one_is_the_argument_of_the_other(lib):
    rq = [context(lib, VERIFICATION, (JPEG,), 1), context(lib, CT, (IMPLICIT,), 3)]
    rq[1].scu_role, rq[1].scp_role = False, True
    ac = [context(lib, CT, (IMPLICIT,), roles=(False, True)), context(lib, VERIFICATION)]
    answered, roles = lib.negotiate_as_acceptor(rq, ac, {CT: (False, True)})
    granted = {item.sop_class_uid: (item.scu_role, item.scp_role) for item in roles}
    assert told(lib.negotiate_as_requestor(rq, answered, granted)) == [
        (1, VERIFICATION, [JPEG], 4),
        (3, CT, [IMPLICIT], 0, (False, True)),
    ]


@LIBRARIES
def test_what_is_not_answered_or_not_proposed(lib):
    rq = [context(lib, CT, (IMPLICIT,), 1), context(lib, VERIFICATION, (IMPLICIT,), 3)]
    [first, second] = lib.negotiate_as_requestor(rq, [context(lib, CT, (IMPLICIT,), 1, result=0)])
    assert (first.result, second.result, second.as_scu) == (0, 2, False)
    with pytest.raises(ValueError, match="Requestor contexts are required"):
        lib.negotiate_as_requestor([], [context(lib, CT)])
    assert lib.negotiate_as_acceptor([], [context(lib, CT)]) == ([], [])


def test_the_names_of_roles():
    for name in ("DEFAULT_ROLE", "BOTH_SCU_SCP_ROLE", "INVERTED_ROLE", "CONTEXT_REJECTED"):
        assert getattr(ours, name) == getattr(theirs, name)
        assert name in dir(ours)

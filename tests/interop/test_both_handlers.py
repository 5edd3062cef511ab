"""Handlers that are bound on a server, and on one of its associations, under both libraries."""

from __future__ import annotations

import pytest

from gateway.uid import REPOSITORY_QUERY
from tests.data_sets import data_set
from tests.handlers import yielding
from tests.interop.both import ECHO, Told, finish, plain, send


def _ignore(event, *args) -> None: ...


def _other(event) -> None: ...


@pytest.fixture
def served(pair):
    """A server, two associations with it, and the server's view of the first one."""
    evt = pair.server.evt
    told = Told()
    server = pair.serve([ECHO], [("EVT_C_ECHO", lambda event: told.put("server") or 0x0000)])
    first = pair.associate(server, [ECHO])
    (theirs,) = server.active_associations
    second = pair.associate(server, [ECHO])
    yield evt, told, server, theirs, first, second
    finish(first)
    finish(second)


def test_an_association_begins_with_the_handlers_of_its_server(served) -> None:
    evt, _, server, theirs, *_ = served
    assert theirs.get_handlers(evt.EVT_C_ECHO)[0] is not None
    assert theirs.get_handlers(evt.EVT_RELEASED) == []
    server.bind(evt.EVT_RELEASED, _ignore)
    assert server.get_handlers(evt.EVT_RELEASED) == [(_ignore, None)]
    assert theirs.get_handlers(evt.EVT_RELEASED) == [(_ignore, None)]
    server.unbind(evt.EVT_RELEASED, _ignore)
    assert theirs.get_handlers(evt.EVT_RELEASED) == []


def test_what_is_bound_on_an_association_is_not_the_servers(served) -> None:
    evt, _, server, theirs, *_ = served
    theirs.bind(evt.EVT_RELEASED, _ignore, ["x"])
    assert theirs.get_handlers(evt.EVT_RELEASED) == [(_ignore, ["x"])]
    assert server.get_handlers(evt.EVT_RELEASED) == []
    server.bind(evt.EVT_RELEASED, _other)
    assert set(map(repr, theirs.get_handlers(evt.EVT_RELEASED))) == {
        repr((_ignore, ["x"])),
        repr((_other, None)),
    }
    theirs.unbind(evt.EVT_RELEASED, _other)
    assert theirs.get_handlers(evt.EVT_RELEASED) == [(_ignore, ["x"])]
    assert server.get_handlers(evt.EVT_RELEASED) == [(_other, None)]
    assert evt.EVT_RELEASED in theirs.get_events()


def test_a_handler_of_one_association_answers_on_it_alone(served) -> None:
    evt, told, _, theirs, first, second = served
    theirs.bind(evt.EVT_C_ECHO, lambda event: told.put("first") or 0x0000)
    assert send(first, "c_echo").Status == 0x0000
    assert told.next() == "first"
    assert send(second, "c_echo").Status == 0x0000
    assert told.next() == "server"


def test_a_notification_of_one_association(served) -> None:
    evt, told, _, theirs, first, second = served
    theirs.bind(evt.EVT_RELEASED, lambda event: told.put("released"))
    finish(second)
    finish(first)
    assert told.next() == "released"
    assert told.is_empty


def test_an_event_that_only_one_association_answers(pair) -> None:
    told = Told()
    server = pair.serve([ECHO])
    first, second = (pair.associate(server, [ECHO]) for _ in range(2))
    evt = pair.server.evt
    for theirs in server.active_associations:
        theirs.bind(evt.EVT_C_ECHO, lambda event: told.put("asked") or 0x0000)
        break
    assert {send(one, "c_echo").Status for one in (first, second)} == {0x0000}
    assert told.next() == "asked"
    assert told.is_empty
    finish(first)
    finish(second)


def test_a_repository_query_goes_on_after_b001(pair):
    match = data_set(PatientID="1")
    handler = yielding((0xFF00, match), (0xB001, None), (0xFF00, match))
    server = pair.serve([REPOSITORY_QUERY], [("EVT_C_FIND", handler)])
    assoc = pair.associate(server, [REPOSITORY_QUERY])
    answers = send(assoc, "c_find", match, REPOSITORY_QUERY)
    assert [(status.Status, plain(found)) for status, found in answers] == [
        (0xFF00, {"PatientID": "1"}),
        (0xB001, None),
        (0xFF00, {"PatientID": "1"}),
        (0x0000, None),
    ]
    finish(assoc)

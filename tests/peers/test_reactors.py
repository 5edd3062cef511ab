"""pynetdicom's reactors as tests run them."""

from __future__ import annotations

import socket

import pytest
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from tests.patience import WALL


@pytest.mark.parametrize("ends", ["with an exception", "before it is idle"])
def test_a_reactor_leaves_no_socket_open(ends):
    ours, theirs = socket.socketpair()
    with theirs:
        reactor = Association(AE(), "acceptor").dul
        reactor.socket = AssociationSocket(reactor.assoc, client_socket=ours)
        if ends == "with an exception":
            reactor.event_queue.put("Evt9")  # none of Sta2
        else:
            reactor._kill_thread = True
        reactor.start()
        reactor.join(WALL)
        assert ours.fileno() == -1

"""Servers and associations of the facade, all gone at the end of a test."""

from __future__ import annotations

import pytest

from gateway import AE, evt
from tests.interop.both import CT, ECHO, HOST, WAIT


class Facade:
    """An AE, and shortcuts to what most tests do with it."""

    def __init__(self):
        self.ae = AE("FACADE")
        self.ae.acse_timeout = self.ae.dimse_timeout = WAIT
        self.ae.maximum_associations = 100
        for context in (ECHO, CT):
            self.ae.add_supported_context(context)
            self.ae.add_requested_context(context)

    def serve(self, *handlers, **options):
        bound = [(getattr(evt, name), *rest) for name, *rest in handlers]
        return self.ae.start_server((HOST, 0), block=False, evt_handlers=bound, **options)

    def associate(self, server, *handlers, must=True, **options):
        bound = [(getattr(evt, name), *rest) for name, *rest in handlers]
        assoc = self.ae.associate(HOST, server.server_address[1], evt_handlers=bound, **options)
        assert assoc.is_established or not must
        return assoc


@pytest.fixture
def facade():
    made = Facade()
    yield made
    made.ae.shutdown()

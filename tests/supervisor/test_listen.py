"""The listening socket, and the one line of error if it cannot be opened."""

from __future__ import annotations

import socket

import pytest

from gateway.errors import ConfigError
from gateway.supervisor.listen import format_address, listen


def test_it_listens_at_a_port_of_the_kernel() -> None:
    with listen("127.0.0.1", 0) as listener:
        socket.create_connection(listener.getsockname()).close()


def test_it_listens_at_a_name_and_at_ipv6() -> None:
    with listen("localhost", 0):
        pass
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = listen("::1", 0)
    except ConfigError as error:
        pytest.skip(str(error))
    with listener:
        assert format_address(listener.getsockname()[:2]).startswith("[::1]:")


def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            listen("127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: another program listens there; "
        "stop it, or choose another --port"
    )


def test_an_address_of_another_host() -> None:
    with pytest.raises(ConfigError, match="this host has no such address"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 300, "a..b"])
def test_no_host_name(host: str) -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        listen(host, 0)

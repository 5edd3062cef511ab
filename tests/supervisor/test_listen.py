"""The listening socket, and the one line of error if it cannot be opened."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.supervisor.listen import format_address, listen, passed_on


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


def _passed(number: int, count: str = "1", owner: int = 0) -> tuple[dict[str, str], Any]:
    environment = {
        "LISTEN_FDS": count,
        "LISTEN_PID": str(owner or os.getpid()),
        "LISTEN_FDNAMES": "x",
        "HOME": "/",
    }
    return environment, passed_on(environment, number)


def test_a_socket_of_the_service_manager_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        environment, taken = _passed(os.dup(other.fileno()))
        with taken:
            assert environment == {"HOME": "/"}
            assert taken.getsockname() == other.getsockname()
            assert not taken.getblocking()
            assert not os.get_inheritable(taken.fileno())


@pytest.mark.parametrize(("count", "owner"), [("0", 0), ("", 0), ("x", 0), ("1", 1)])
def test_what_is_not_for_this_process_is_left(count: str, owner: int) -> None:
    environment, taken = _passed(-1, count, owner)
    assert taken is None
    assert environment == {"HOME": "/"}


def test_another_kind_of_socket_is_refused_in_words() -> None:
    with socket.socket() as silent, socket.socket(socket.AF_UNIX) as local:
        local.bind("")
        local.listen()
        for one in (silent, local):
            with pytest.raises(ConfigError, match="not one of TCP that listens"):
                _passed(os.dup(one.fileno()))
    with pytest.raises(ConfigError, match="passes 2 sockets"):
        _passed(-1, "2")
    with pytest.raises(ConfigError, match="passes no socket"):
        _passed(10_000)

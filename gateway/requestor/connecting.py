"""The transport connection to a peer: TCP or TLS, and errors that say why it failed."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from typing import TYPE_CHECKING

from gateway.association.errors import Unreachable
from gateway.tls_words import explain_handshake

if TYPE_CHECKING:
    from gateway.association.transport import Transport
    from gateway.requestor.proposal import Address


async def open_connection(address: Address, transport: Transport, within: float) -> None:
    """Connect `transport` to the address, in `within` seconds; raises Unreachable."""
    loop = asyncio.get_running_loop()
    name = address.server_name or address.host if address.tls else None
    try:
        async with asyncio.timeout(within):
            await loop.create_connection(
                lambda: transport,
                address.host,
                address.port,
                ssl=address.tls,
                server_hostname=name,
                local_addr=address.bind,
            )
    except TimeoutError:
        raise Unreachable(f"{address} did not take a connection in {within:g} s") from None
    except ssl.SSLError as error:
        raise Unreachable(f"no TLS connection to {address}: {explain_handshake(error)}") from None
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"no connection to {address}: {_reason(error)}") from None


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return "that is not a valid host name"
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)  # asyncio's own text repeats the address
    return error.strerror or str(error)

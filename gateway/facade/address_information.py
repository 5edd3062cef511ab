"""An address of IPv4 or IPv6, as `server.address_info` and `assoc.requestor.address_info`."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(slots=True)
class AddressInformation:
    """A host's address and a port; for IPv6 with flow information and scope ID."""

    address: str
    """An IP address, or a host name; "" becomes 0.0.0.0, any address of IPv4."""
    port: int
    flowinfo: int = 0
    scope_id: int = 0

    def __post_init__(self) -> None:
        self.address = self.address or "0.0.0.0"

    @property
    def address_family(self) -> socket.AddressFamily:
        """AF_INET6 for an address with a colon, AF_INET for others."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    @property
    def as_tuple(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """(address, port), or (address, port, flowinfo, scope_id) for IPv6."""
        if self.is_ipv4:
            return self.address, self.port
        return self.address, self.port, self.flowinfo, self.scope_id

    @property
    def is_ipv4(self) -> bool:
        return self.address_family == socket.AF_INET

    @property
    def is_ipv6(self) -> bool:
        return self.address_family == socket.AF_INET6

    @classmethod
    def from_tuple(cls, value: tuple[str, int] | tuple[str, int, int, int]) -> AddressInformation:
        """Return the information of an address as `bind_address` and `start_server` take it."""
        return cls(*value)

    @classmethod
    def from_addr_port(cls, addr: str | tuple[str, int, int], port: int) -> AddressInformation:
        """Return the information of an address as `associate` takes it."""
        return cls(addr, port) if isinstance(addr, str) else cls(addr[0], port, addr[1], addr[2])

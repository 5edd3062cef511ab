"""Checks of the arguments that programs pass: TypeError and ValueError say what is allowed."""

from __future__ import annotations

import logging
import socket
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.facade.presentation_contexts import PresentationContext
from gateway.facade.uid_and_byte_tools import decode_bytes, set_ae, set_uid
from gateway.ul.negotiation import MAX_CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.uid import UID

log = logging.getLogger("gateway.facade")

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

_BACKLOG = 1024


def ae_title(value: Any, name: str = "ae_title") -> str:
    """Return an AE title: 1 to 16 printable ASCII characters, no backslash (PS3.5 6.2)."""
    if isinstance(value, bytes):
        text = f"The use of bytes with '{name}' is deprecated, use an ASCII str instead"
        warnings.warn(text, DeprecationWarning, stacklevel=4)
        value = decode_bytes(value)
    return str(set_ae(value, name, allow_empty=False, allow_none=False))


def ae_titles(values: Any, name: str) -> list[str]:
    """Return a list of AE titles, without spaces around them."""
    if isinstance(values, str | bytes):
        raise TypeError(f"'{name}' must be a list of str")
    titles = list(values)
    if any(isinstance(title, bytes) for title in titles):
        text = f"The use of a list of bytes with '{name}' is deprecated, use a list of ASCII str"
        warnings.warn(f"{text} instead", DeprecationWarning, stacklevel=4)
        titles = [decode_bytes(t) if isinstance(t, bytes) else t for t in titles]
    return [ae_title(title, name).strip() for title in titles]


def uid(value: Any, name: str) -> UID:
    """Return a UID; `config_flags.ENFORCE_UID_CONFORMANCE` says how strictly it is checked."""
    checked = set_uid(value, name, allow_empty=False, allow_none=False)
    assert checked is not None
    return checked


def timeout(value: Any, name: str, default: float | None) -> float | None:
    """Return a number of seconds, or None for no limit; warn of anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or (is_number and value >= 0):
        return value  # type: ignore[no-any-return]
    log.warning("%s must be a number of seconds or None, not %r: set to %s", name, value, default)
    return default


def contexts(values: Sequence[PresentationContext], limit: int = MAX_CONTEXTS) -> None:
    """Raise ValueError unless each value is a PresentationContext, and there are not too many."""
    if len(values) > limit:
        raise ValueError(
            f"The maximum allowed number of requested presentation contexts is {limit}"
        )
    for value in values:
        if not isinstance(value, PresentationContext):
            raise ValueError(
                "'contexts' must be a list of PresentationContext items, as build_context returns "
                f"them, not {value!r:.80}"
            )


def roles(values: Sequence[PresentationContext]) -> None:
    """Raise ValueError if a context has one role and not the other."""
    wrong = [str(c.abstract_syntax) for c in values if (c.scu_role is None) != (c.scp_role is None)]
    if wrong:
        names = "\n  ".join(wrong)
        raise ValueError(
            "The following presentation contexts have inconsistent scu_role/scp_role values (if "
            f"one is None, both must be):\n  {names}"
        )


def address(value: Any, name: str) -> SocketAddress:
    """Return (host, port), or (host, port, flowinfo, scope_id) for IPv6."""
    is_address = (
        isinstance(value, tuple | list)
        and len(value) in (2, 4)
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:])
    )
    if not is_address:
        raise TypeError(f"'{name}' must be tuple[str, int] or tuple[str, int, int, int]")
    return tuple(value)


def listener(where: SocketAddress) -> socket.socket:
    """Return a socket that listens at an address; an OSError names the address."""
    family = socket.AF_INET6 if ":" in where[0] or len(where) > 2 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(where)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        text = f"cannot listen at {where[0] or 'any address'}, port {where[1]}: {error.strerror}"
        raise OSError(error.errno, text) from None
    except OverflowError as error:
        made.close()
        raise ValueError(f"a port is 0 to 65535, not {where[1]}") from error
    made.setblocking(False)
    return made

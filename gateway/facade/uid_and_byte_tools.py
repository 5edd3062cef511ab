"""Checks of UIDs and AE titles, and tools for bytes, that programs import from `gateway.utils`.

The texts of the exceptions are pynetdicom's, because programs show or match them.
"""

from __future__ import annotations

import logging
from io import BytesIO
from typing import TYPE_CHECKING, Any

from gateway.datasets.coding import any_uid
from gateway.facade import flags
from gateway.facade.pynetdicom_names import no_name

if TYPE_CHECKING:
    from pydicom.uid import UID

log = logging.getLogger("gateway.facade")

__all__ = ["decode_bytes", "pretty_bytes", "set_ae", "set_uid", "validate_uid"]

_LONGEST_UID = 64
_LONGEST_TITLE = 16


def decode_bytes(encoded_value: bytes) -> str:
    """Return text as it came in a PDU; raise ValueError if no codec of `config_flags.CODECS` fits.

    ASCII is always tried first (PS3.5 6.2).
    """
    codecs = dict.fromkeys(("ascii", *flags.CODECS))
    for codec in codecs:
        try:
            return encoded_value.decode(codec)
        except UnicodeDecodeError as error:
            log.error("%s", error)  # noqa: TRY400 - says it all
    raise ValueError(
        f"Unable to decode '{encoded_value.hex(' ').upper()}' using the "
        f"{', '.join(codecs)} codec(s)"
    )


def set_uid(
    value: str | bytes | UID | None,
    name: str,
    allow_empty: bool = True,
    allow_none: bool = True,
    validate: bool = True,
) -> UID | None:
    """Return a value as a UID, if it is one of at most 64 characters (PS3.5 9.1).

    Args:
        value: the UID; bytes are ASCII.
        name: what the texts of exceptions call the value.
        allow_empty: whether "" is accepted.
        allow_none: whether None is accepted.
        validate: False: accept any text.

    Raises:
        TypeError: the value has a wrong type.
        ValueError: it is empty, too long or not ASCII, or does not follow PS3.5 9.1 and
            `config_flags.ENFORCE_UID_CONFORMANCE` is True. If that is False, a warning is logged.
    """
    if value is None and allow_none:
        return None
    text = decode_bytes(value) if isinstance(value, bytes) else value
    if not isinstance(text, str):
        kinds = "str, bytes, UID or None" if allow_none else "str, bytes or UID"
        raise TypeError(f"'{name}' must be {kinds}, not '{type(value).__name__}'")
    if not text and not allow_empty:
        raise ValueError(f"Invalid '{name}' value - must not be an empty str")
    uid = any_uid(text)
    if text and validate:
        _check_uid(uid, name)
    return uid


def _check_uid(uid: UID, name: str) -> None:
    if not validate_uid(uid):
        is_long = len(uid) > _LONGEST_UID and not flags.ENFORCE_UID_CONFORMANCE
        reason = (
            f"must not exceed {_LONGEST_UID} characters" if is_long else "UID is non-conformant"
        )
        text = f"Invalid '{name}' value '{uid}' - {reason}"
        log.error("%s", text)
        raise ValueError(text)
    if not uid.is_valid:
        log.warning("Non-conformant '%s' value '%s'", name, uid)


def set_ae(
    value: str | None, name: str, allow_empty: bool = True, allow_none: bool = True
) -> str | None:
    """Return a value that is an AE title: at most 16 characters of ASCII (PS3.5 6.2).

    Args:
        value: the title.
        name: what the texts of exceptions call the value.
        allow_empty: whether "" and a title of spaces only are accepted.
        allow_none: whether None is accepted.

    Raises:
        TypeError: the value has a wrong type.
        ValueError: it is no AE title.
    """
    if value is None and allow_none:
        return None
    if not isinstance(value, str):
        kinds = "str or None" if allow_none else "str"
        raise TypeError(f"'{name}' must be {kinds}, not '{type(value).__name__}'")
    if reason := _title_error(value, allow_empty):
        text = f"Invalid '{name}' {reason}"
        log.error("%s", text)
        raise ValueError(text)
    return value


def _title_error(value: str, allow_empty: bool) -> str | None:
    if not value.strip(" "):
        if allow_empty and len(value) <= _LONGEST_TITLE:
            return None
        missing = "must not consist entirely of spaces" if value else "must not be an empty str"
        return f"value - {missing}"
    if not value.isascii():
        return f"value '{value}' - must only contain ASCII characters"
    if not value.isprintable() or "\\" in value:
        return f"value '{value}' - must not contain control characters or backslashes"
    if len(value) > _LONGEST_TITLE:
        return f"value '{value}' - must not exceed {_LONGEST_TITLE} characters"
    return None


def validate_uid(uid: str) -> bool:
    """Return whether a UID is accepted; `config_flags.ENFORCE_UID_CONFORMANCE` says how."""
    if flags.ENFORCE_UID_CONFORMANCE:
        return any_uid(uid).is_valid
    return 0 < len(uid) <= _LONGEST_UID


def pretty_bytes(
    bytestream: bytes | BytesIO,
    prefix: str = "  ",
    delimiter: str = "  ",
    items_per_line: int = 16,
    max_size: int | None = 512,
    suffix: str = "",
) -> list[str]:
    """Return bytes as lines of hexadecimal numbers, with a note above if there are too many.

    `max_size`: the number of bytes to show; None: all.
    """
    whole = bytestream.getvalue() if isinstance(bytestream, BytesIO) else bytestream
    pieces = [whole[at : at + items_per_line] for at in range(0, len(whole), items_per_line)]
    shown = pieces if max_size is None else pieces[: max_size // items_per_line]
    lines = [prefix + delimiter.join(f"{byte:02x}" for byte in piece) + suffix for piece in shown]
    cut = [] if len(shown) == len(pieces) else [f"{prefix}Only dumping {max_size} bytes."]
    return cut + lines


def __getattr__(name: str) -> Any:
    no_name(__name__, "utils", name)

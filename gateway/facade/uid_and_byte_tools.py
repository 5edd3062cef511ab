"""Small tools for UIDs and bytes that programs import from `gateway.utils`."""

from __future__ import annotations

from io import BytesIO

from gateway.datasets.coding import any_uid
from gateway.facade import flags

__all__ = ["decode_bytes", "pretty_bytes", "validate_uid"]

_LONGEST_UID = 64


def decode_bytes(encoded_value: bytes) -> str:
    """Return ASCII text as it came in a PDU; raise ValueError for other bytes."""
    try:
        return encoded_value.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"not ASCII: {encoded_value!r:.80}") from error


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

"""Write the table of `gateway/uid.py` anew: `python -m tests.dimse.generate_uid`.

Its source is the dictionary that comes with pydicom.
"""

from __future__ import annotations

from pathlib import Path

from pydicom._uid_dict import UID_dictionary

from gateway.uid import _NEWER, Kind

MARKER = "# --- generated below: python -m tests.dimse.generate_uid ---\n"
MODULE = Path(__file__).parents[2] / "gateway" / "uid.py"

# No association carries these: they belong to mail, files, and real-time streams.
NOT_NETWORK = ("RFC2557", "XML", "SMPTE", "Papyrus")

names = ", ".join(f'"{name}"' for name in NOT_NETWORK)
FOOTER = f'''
UIDS: dict[str, Uid] = {{
    uid: Uid(name, kind, keyword, retired)
    for kind, rows in _TABLE.items()
    for uid, (name, keyword, retired) in {{**_NEWER.get(kind, {{}}), **rows}}.items()
}}
"""The registry by UID."""

KEYWORDS: dict[str, str] = {{row.keyword: uid for uid, row in UIDS.items()}}
"""UIDs by keyword."""

TRANSFER_SYNTAXES: tuple[str, ...] = tuple(
    uid for uid, row in UIDS.items() if row.kind is Kind.TRANSFER_SYNTAX
)
"""Every registered transfer syntax, retired ones included."""

NETWORK_TRANSFER_SYNTAXES: tuple[str, ...] = tuple(
    uid for uid in TRANSFER_SYNTAXES if not UIDS[uid].keyword.startswith(({names}))
)
"""Transfer syntaxes for associations: not those of mail, files or real-time streams."""

STORAGE_SOP_CLASSES: tuple[str, ...] = tuple(
    uid
    for uid, row in UIDS.items()
    if row.kind is Kind.SOP_CLASS
    and "Storage" in row.keyword
    and not row.keyword.startswith(("StorageCommitment", "MediaStorage"))
)
"""Every SOP class whose instances are sent by C-STORE: PS3.4 B.5, retired ones, and GG.3."""
'''


def table() -> str:
    """The generated part of the module.

    What stands above it by hand is left out: pynetdicom adds some of that to the dictionary when
    it is imported.
    """
    by_hand = {uid for rows in _NEWER.values() for uid in rows}
    lines = ["_TABLE: dict[Kind, dict[str, tuple[str, str, bool]]] = {"]
    for kind in Kind:
        lines.append(f"    Kind.{kind.name}: {{")
        lines += [
            f'        "{uid}": ("{name}", "{keyword}", {bool(retired)}),'
            for uid, (name, type_, _, retired, keyword) in UID_dictionary.items()
            if type_ == kind.value and keyword and uid not in by_hand
        ]
        lines.append("    },")
    return "\n".join([*lines, "}", FOOTER])


if __name__ == "__main__":
    head, _, _ = MODULE.read_text().partition(MARKER)
    MODULE.write_text(head + MARKER + table())

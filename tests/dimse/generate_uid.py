"""Write the registry `gateway/uids.tsv` anew: `python -m tests.dimse.generate_uid`.

Its source is the dictionary that comes with pydicom, and for a few rows the registry as it is.
"""

from __future__ import annotations

from pathlib import Path

from pydicom._uid_dict import UID_dictionary

from gateway.uid import UIDS, Uid, UidType

REGISTRY = Path(__file__).parents[2] / "gateway" / "uids.tsv"
NEWER = frozenset(
    {
        *(f"1.2.840.10008.1.2.4.{n}" for n in (110, 111, 112)),
        "1.2.840.10008.1.2.8.1",
        *(f"1.2.840.10008.5.1.4.1.1.{n}" for n in ("9.100.1", "9.100.2", "66.7", "66.8")),
    }
)
"""UIDs that pydicom's dictionary does not have yet; pynetdicom adds some when it is imported."""


def rows() -> dict[str, Uid]:
    """Return the registry, ordered by the types of UIDs."""
    kept = {uid: UIDS[uid] for uid in UIDS if uid in NEWER}
    theirs = {
        uid: Uid(name, UidType(kind), keyword, bool(retired))
        for uid, (name, kind, _, retired, keyword) in UID_dictionary.items()
        if keyword and uid not in NEWER
    }
    return {
        uid: row for kind in UidType for uid, row in {**kept, **theirs}.items() if row.kind is kind
    }


def table() -> str:
    """Return the text of the registry: a row a line, columns separated by tabs."""
    lines = ["UID\tName\tType\tKeyword\tRetired"]
    lines += [
        "\t".join((uid, row.name, row.kind, row.keyword, "retired" if row.retired else ""))
        for uid, row in rows().items()
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    REGISTRY.write_text(table())

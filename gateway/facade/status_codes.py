"""Status codes by name, for handlers (PS3.7 annex C, PS3.4).

The tables, such as `STORAGE_SERVICE_CLASS_STATUS`, map each code to its category and meaning. Some
have thousands of rows, and so they are built on first use.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from gateway.dimse import services
from gateway.dimse.status import Category, category
from gateway.dimse.statuses import GENERAL
from gateway.facade.pynetdicom_names import names
from gateway.uid import KEYWORDS

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

STATUS_SUCCESS = Category.SUCCESS.value
STATUS_WARNING = Category.WARNING.value
STATUS_FAILURE = Category.FAILURE.value
STATUS_CANCEL = Category.CANCEL.value
STATUS_PENDING = Category.PENDING.value
STATUS_UNKNOWN = Category.UNKNOWN.value

StatusDictType = dict[int, tuple[str, str]]


class Status(IntEnum):
    """Common status codes; `Status.add` adds a name for another one."""

    SUCCESS = 0x0000
    CANCEL = 0xFE00
    PENDING = 0xFF00
    """Further matches or sub-operations follow."""
    MOVE_DESTINATION_UNKNOWN = 0xA801

    @classmethod
    def add(cls, name: str, code: int) -> None:
        """Add `Status.NAME` for a code, in this process only."""
        setattr(cls, name, code)


def code_to_category(code: int) -> str:
    """Return Success, Warning, Failure, Cancel, Pending or Unknown; ValueError below 0."""
    if not isinstance(code, int) or code < 0:
        raise ValueError(f"a status code must be a positive integer, not {code!r}")
    return category(code).value


def code_to_status(code: int) -> Dataset:
    """Return a data set that has the code as its Status, for handlers; ValueError below 0."""
    from pydicom.dataset import Dataset

    if not isinstance(code, int) or code < 0:
        raise ValueError(f"a status code must be a positive integer, not {code!r}")
    status = Dataset()
    status.Status = code
    return status


_SOP_CLASSES = names("status")
"""The names of the tables, and a SOP class of the service of each."""

GENERAL_STATUS: StatusDictType = {code: (c.value, text) for code, (c, text) in GENERAL.items()}


def _table(keyword: str) -> StatusDictType:
    table = dict(GENERAL_STATUS)
    rows = services.SERVICES[KEYWORDS[keyword]].statuses
    for row in reversed(rows):  # the first row with a code counts, as in Service.status
        for code in range(row.first, row.last + 1):
            table[code] = (row.category.value, row.meaning)
    return table


def __getattr__(name: str) -> StatusDictType:
    if name not in _SOP_CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    table = globals()[name] = _table(_SOP_CLASSES[name])
    return table


def __dir__() -> list[str]:
    return sorted({*globals(), *_SOP_CLASSES})

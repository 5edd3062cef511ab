"""The service classes of PS3.4: the operations and statuses of each SOP class.

They are in the table `services.tsv`. SOP classes that it does not have, which are private or new
ones that the policy accepts, are treated as storage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.dimse import status as codes
from gateway.dimse.command_elements import CommandField as Cmd
from gateway.dimse.message import DataSet, Message, Request
from gateway.dimse.statuses import STATUSES, StatusRows, find_status
from gateway.errors import DimseError
from gateway.table_files import read_table
from gateway.uid import KEYWORDS, STORAGE_SOP_CLASSES, UIDS, name_of

if TYPE_CHECKING:
    from gateway.dimse.status import Category


@dataclass(frozen=True, slots=True)
class Service:
    """A service of one or more SOP classes."""

    name: str
    annex: str
    """The annex of PS3.4."""
    operations: frozenset[Cmd]
    """Its requests, sent by either side."""
    statuses: StatusRows = ()

    def status(self, code: int) -> tuple[Category, str] | None:
        """Return the class and meaning of a status; None if the service does not have it."""
        return find_status(self.statuses, code)


def _uids(keywords: str) -> frozenset[str]:
    return frozenset(KEYWORDS[keyword] for keyword in keywords.split())


META_SOP_CLASSES: dict[str, frozenset[str]] = {
    KEYWORDS[meta]: _uids(members) for meta, members in read_table("dimse/meta_sop_classes.tsv")
}
"""The SOP classes whose messages use a context of a meta SOP class (PS3.7 D.1)."""


def _table() -> dict[str, Service]:
    table: dict[str, Service] = {}
    for name, annex, requests, statuses, keywords in read_table("dimse/services.tsv"):
        operations = frozenset(Cmd[f"{one.replace('-', '_')}_RQ"] for one in requests.split())
        service = Service(name, annex, operations, STATUSES[statuses])
        table |= dict.fromkeys(_uids(keywords) or STORAGE_SOP_CLASSES, service)
    for meta, members in META_SOP_CLASSES.items():
        services = [table[uid] for uid in members]
        operations = frozenset().union(*(service.operations for service in services))
        table[meta] = replace(services[0], operations=operations)
    return table


SERVICES: dict[str, Service] = _table()
"""The service of each SOP class, and of each meta SOP class, that can be an abstract syntax."""

STORAGE_SERVICE = SERVICES[KEYWORDS["CTImageStorage"]]

_UPS: dict[str, frozenset[str]] = {
    KEYWORDS[f"UnifiedProcedureStep{name}{trial}"]: _uids(f"UnifiedProcedureStepPush{trial}")
    for trial, names in (("", "Watch Pull Event Query"), ("Trial", "Watch Pull Event"))
    for name in names.split()
}
"""Every UPS is an instance of UPS Push, whichever SOP class was negotiated (PS3.4 CC.3.1.1)."""


def service_of(sop_class_uid: str) -> Service:
    """Return the service of a SOP class; storage for one that the table does not have."""
    return SERVICES.get(sop_class_uid, STORAGE_SERVICE)


def serve_like(sop_class_uid: str, like: str) -> None:
    """Give a UID that is not registered the service of the SOP class `like`."""
    if sop_class_uid not in UIDS:
        SERVICES[sop_class_uid] = SERVICES[like]
    _check.cache_clear()


def carries(abstract_syntax: str, sop_class_uid: str) -> bool:
    """Return whether a context of one SOP class can have messages of another.

    A context of a meta SOP class has messages of its members, and one of a UPS SOP class those of
    UPS Push.
    """
    members = META_SOP_CLASSES.get(abstract_syntax) or _UPS.get(abstract_syntax) or ()
    return sop_class_uid in members


def is_known_status(sop_class_uid: str, code: int) -> bool:
    """Return whether the service of a SOP class has a status code."""
    return service_of(sop_class_uid).status(code) is not None


_REPORT = Cmd.N_EVENT_REPORT_RQ


def check_request(
    message: Message,
    abstract_syntax: str,
    *,
    has_data_set: bool | None = None,
    as_scu: bool = True,
    as_scp: bool = True,
) -> None:
    """Check a request against its context; raises DimseError 0122H, 0211H or 0212H.

    `as_scu` and `as_scp` are the roles of this side on that context (PS3.7 D.3.3.4): an
    N-EVENT-REPORT goes to the SCU, every other request to the SCP.
    """
    if isinstance(message, Request):
        operation = message.command_field
        in_role = as_scu if operation is _REPORT else as_scp
        lacks = has_data_set is False and message.data_set is DataSet.REQUIRED
        _check(operation, message.sop_class_uid, abstract_syntax, in_role, lacks)


@lru_cache(maxsize=256)
def _check(
    operation: Cmd, sop_class: str, abstract_syntax: str, in_role: bool, lacks_data_set: bool
) -> None:
    """Do what `check_request` does; nearly every request is like one before it.

    What is kept is bounded: an error is not, and SOP classes without one are those of a context.
    """
    if sop_class != abstract_syntax and not carries(abstract_syntax, sop_class):
        raise DimseError(
            codes.SOP_CLASS_NOT_SUPPORTED,
            f"{_name(sop_class)} on a context of {_name(abstract_syntax)}",
        )
    service = service_of(sop_class if abstract_syntax in META_SOP_CLASSES else abstract_syntax)
    if operation not in service.operations:
        text = f"{service.name} has no {_operation(operation)}"
        raise DimseError(codes.UNRECOGNIZED_OPERATION, text)
    if not in_role:
        text = f"{_operation(operation)} is not for this role"
        raise DimseError(codes.UNRECOGNIZED_OPERATION, text)
    if lacks_data_set:
        text = f"{_operation(operation)} without a data set"
        raise DimseError(codes.MISTYPED_ARGUMENT, text)


def _operation(command_field: Cmd) -> str:
    return command_field.name.removesuffix("_RQ").replace("_", "-")


def _name(uid: str) -> str:
    return name_of(uid).removesuffix(" SOP Class")

"""The items of `ext_neg` as arguments of a proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.facade.pdu_primitives import ITEMS
from gateway.ul.items import (
    AsyncOperationsWindow,
    RoleSelection,
    SopClassCommonExtended,
    SopClassExtended,
    UserIdentityRQ,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.facade.pdu_primitives import Item


def options(items: Iterable[Item]) -> dict[str, Any]:
    """Return arguments of a `Proposal`; raise TypeError or ValueError for an invalid item."""
    roles: dict[str, tuple[bool, bool]] = {}
    extended: dict[str, bytes] = {}
    common: list[SopClassCommonExtended] = []
    found: dict[str, Any] = {"roles": roles, "extended": extended}
    for item in items:
        match item if isinstance(item, RoleSelection) else _checked(item):
            case RoleSelection(sop_class_uid=uid, scu_role=scu, scp_role=scp):
                roles[str(uid)] = (bool(scu), bool(scp))
            case SopClassExtended(sop_class_uid=uid, application_information=information):
                extended[uid] = information
            case SopClassCommonExtended() as one:
                common.append(one)
            case AsyncOperationsWindow(invoked=invoked, performed=performed):
                found["async_ops"] = (invoked, performed)
            case UserIdentityRQ() as identity:
                found["identity"] = identity
    return {**found, "common_extended": tuple(common)}


def _checked(item: Any) -> Any:
    if not isinstance(item, ITEMS):
        raise TypeError(
            f"ext_neg has items of gateway.pdu_primitives, or of build_role, not {item!r:.80}"
        )
    return item.item()

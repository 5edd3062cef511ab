"""Who is let in, and for what: the rules of `[policy]`, with a sentence for each answer.

The rules of `[[policy.rules]]` are tried in their order; the first one whose conditions hold
decides. With at least one rule, a peer that none of them matches is rejected. The older settings
(`require_called_ae_title`, `calling_ae_titles`) hold besides. An AE title is not authentication:
any peer can claim it, so a rule should name addresses or the subject of a certificate as well.

The acceptor, `dicom-gateway policy try` and the page all use `decide`, so that they say the same.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from gateway.dimse.services import SERVICES, STORAGE_SERVICE, service_of
from gateway.uid import KEYWORDS, NETWORK_TRANSFER_SYNTAXES, STORAGE_SOP_CLASSES
from gateway.ul.negotiation import (
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    USER_IDENTITY_FAILED,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gateway.dimse.command_elements import CommandField
    from gateway.policy_settings import PolicyRule, PolicySettings
    from gateway.ul.pdu import AAssociateRJ

ROLES = ("scu", "scp")

DRAINED = "the gateway is drained: `dicom-gateway resume` lets new associations in again"
"""Why a peer is rejected for now that the policy lets in."""


def lacks_required(event: str) -> str:
    """Return why a peer is rejected while no worker answers an event of `policy.require`."""
    return f"no worker answers {event}, which policy.require names: start one"


class RequestingPeer(NamedTuple):
    """What is known of a peer that requests an association."""

    calling: str
    called: str
    address: str
    tls_subject: str = ""
    """The subject of its certificate; empty: it has none."""
    has_identity: bool = False
    """It sent a user identity."""
    has_plain_passcode: bool = False
    """Its user identity has a passcode, and the connection is not TLS."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of a peer, in a sentence."""

    sentence: str
    rule: PolicyRule | None = None
    """The rule that decided; None: there are none, or none matched."""
    rejection: AAssociateRJ | None = None
    """None: the peer is let in."""


def decide(settings: PolicySettings, ae_title: str, peer: RequestingPeer) -> Verdict:
    """Return whether a peer is let in; `ae_title` is the gateway's own."""
    who = f"{peer.calling!r} at {peer.address or 'an unknown address'}, calling {peer.called!r},"
    if settings.require_called_ae_title and peer.called != ae_title:
        return Verdict(
            f"{who} does not call {ae_title!r}: correct the called AE title at the peer, or set "
            f"policy.require_called_ae_title = false",
            rejection=CALLED_AE_TITLE_NOT_RECOGNIZED,
        )
    if settings.calling_ae_titles and peer.calling not in settings.calling_ae_titles:
        return Verdict(
            f"{who} is not one of policy.calling_ae_titles: add {peer.calling!r} there",
            rejection=CALLING_AE_TITLE_NOT_RECOGNIZED,
        )
    if not settings.rules:
        return Verdict(f"{who} is let in: there are no rules in policy.rules")
    if peer.has_plain_passcode and not settings.allow_plain_passwords:
        return Verdict(
            f"{who} sends a passcode without TLS, which others on the way can read: use TLS at the "
            f"peer, or set policy.allow_plain_passwords = true",
            rejection=USER_IDENTITY_FAILED,
        )
    for number, rule in enumerate(settings.rules, 1):
        if not any(_unmet(rule, peer)):
            return _by_rule(rule, _title(number, rule), who, peer)
    return _no_rule(settings, who, peer)


def _by_rule(rule: PolicyRule, title: str, who: str, peer: RequestingPeer) -> Verdict:
    if not rule.accept:
        return Verdict(
            f"{who} is rejected by {title}: put a rule that accepts it before that one",
            rule,
            CALLING_AE_TITLE_NOT_RECOGNIZED,
        )
    if rule.user_identity and not peer.has_identity:
        return Verdict(
            f"{who} sends no user identity, which {title} requires: give the peer a user, or set "
            f"user_identity = false in that rule",
            rule,
            USER_IDENTITY_FAILED,
        )
    return Verdict(f"{who} is let in by {title}", rule)


def _no_rule(settings: PolicySettings, who: str, peer: RequestingPeer) -> Verdict:
    """Return the rejection, with what is missing at the rule that comes nearest."""
    nearest = max(
        (
            (_ORDER.index(next(_unmet(rule, peer))), -number, rule)
            for number, rule in enumerate(settings.rules, 1)
        ),
        key=lambda one: one[:2],
    )
    place, number, rule = nearest
    name, value, _ = _CONDITIONS[_ORDER[place]](rule, peer)
    if name == "calling":
        return Verdict(
            f"{who} matches no rule of policy.rules: add one with calling = [{peer.calling!r}]",
            rejection=CALLING_AE_TITLE_NOT_RECOGNIZED,
        )
    lacks = f"its `{name}` lacks {value!r}: add it there"
    if name == "tls_subjects" and not value:
        lacks = "it asks for a certificate, and the peer shows none: use TLS with one at the peer"
    return Verdict(
        f"{who} is let in by no rule; {_title(-number, rule)} would, but {lacks}",
        rejection=_REJECTIONS.get(name, CALLING_AE_TITLE_NOT_RECOGNIZED),
    )


_REJECTIONS = {"called": CALLED_AE_TITLE_NOT_RECOGNIZED}
"""The rejections for conditions that do not hold; of all others the calling title is not known."""


def _title(number: int, rule: PolicyRule) -> str:
    return f"rule {number} ({rule.name})" if rule.name else f"rule {number}"


# Conditions: the name of the setting, the peer's value, and whether it holds.


def _calling(rule: PolicyRule, peer: RequestingPeer) -> tuple[str, str, bool]:
    return "calling", peer.calling, _matches(rule.calling, peer.calling)


def _called(rule: PolicyRule, peer: RequestingPeer) -> tuple[str, str, bool]:
    return "called", peer.called, _matches(rule.called, peer.called)


def _address(rule: PolicyRule, peer: RequestingPeer) -> tuple[str, str, bool]:
    return "addresses", peer.address, is_in(rule.addresses, peer.address)


def _subject(rule: PolicyRule, peer: RequestingPeer) -> tuple[str, str, bool]:
    subjects = rule.tls_subjects
    holds = not subjects or (bool(peer.tls_subject) and _matches(subjects, peer.tls_subject))
    return "tls_subjects", peer.tls_subject, holds


_CONDITIONS = {
    "calling": _calling,
    "called": _called,
    "addresses": _address,
    "tls_subjects": _subject,
}
_ORDER = list(_CONDITIONS)


def _unmet(rule: PolicyRule, peer: RequestingPeer) -> Iterator[str]:
    """Yield the conditions of a rule that do not hold for a peer."""
    for name, condition in _CONDITIONS.items():
        if not condition(rule, peer)[2]:
            yield name


def _matches(patterns: Collection[str], value: str) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)


def is_in(networks: Collection[str], host: str) -> bool:
    if not networks:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(one, strict=False) for one in networks)


# What a peer may do once it is let in.


@dataclass(frozen=True, slots=True)
class Permit:
    """The SOP classes, roles and transfer syntaxes that a rule leaves to a peer."""

    rule: PolicyRule

    def roles(self, sop_class_uid: str) -> tuple[bool, bool]:
        """Return whether the peer may be (SCU, SCP) for a SOP class; neither: it is refused."""
        rule = self.rule
        as_scu = as_scp = self._names(sop_class_uid)
        if "C-GET" in rule.services and sop_class_uid in STORAGE_SOP_CLASSES:
            as_scp = True  # the requestor of a C-GET gets the instances
        roles = rule.roles or ROLES
        return as_scu and "scu" in roles, as_scp and "scp" in roles

    def syntaxes(self, acceptable: Collection[str]) -> Collection[str]:
        """Return those of the acceptable transfer syntaxes that the rule permits."""
        permitted = _uids(self.rule.transfer_syntaxes)
        if not permitted:
            return acceptable
        # a tuple has an order that matters
        kept = tuple(uid for uid in acceptable if uid in permitted)
        return kept if isinstance(acceptable, tuple) else frozenset(kept)

    def _names(self, sop_class_uid: str) -> bool:
        rule = self.rule
        if not rule.services and not rule.sop_classes:
            return True
        if sop_class_uid in _uids(rule.sop_classes):
            return True
        return not _words(sop_class_uid).isdisjoint(rule.services)


@lru_cache(maxsize=1024)
def _words(sop_class_uid: str) -> frozenset[str]:
    """Return the words of `services` that stand for a SOP class: its service, and its requests."""
    service = service_of(sop_class_uid)
    requests = {_request(one) for one in service.operations}
    if service is STORAGE_SERVICE:
        requests = {"C-STORE"}
    return frozenset({slug(service.name), *requests})


def _request(field: CommandField) -> str:
    return field.name.removesuffix("_RQ").replace("_", "-")


def slug(name: str) -> str:
    """Return a service's name as it is written in a rule: `Query/Retrieve` is query-retrieve."""
    return re.sub(r"[^a-z]+", "-", name.lower()).strip("-")


SERVICE_WORDS = tuple(
    sorted(
        {slug(service.name) for service in SERVICES.values()}
        | {_request(one) for service in SERVICES.values() for one in service.operations}
    )
)
"""The words that `services` of a rule may have."""


def _uids(named: Collection[str]) -> frozenset[str]:
    return frozenset(KEYWORDS.get(name, name) for name in named)


def is_sop_class(text: str) -> bool:
    """Return whether a text is a UID, or the keyword of a SOP class."""
    return text in KEYWORDS or re.fullmatch(r"[0-9.]{1,64}", text) is not None


def is_transfer_syntax(text: str) -> bool:
    """Return whether a text is the UID or keyword of a transfer syntax of the network."""
    return KEYWORDS.get(text, text) in NETWORK_TRANSFER_SYNTAXES

"""The settings of `[policy]`; `gateway.settings` has all others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """An entry of `[[policy.rules]]`: the first one whose conditions hold for a peer decides.

    A list that is empty sets no condition.
    """

    name: str = ""
    """Shown where the rule decides."""
    calling: tuple[str, ...] = ()
    """Calling AE titles; `*` and `?` stand for any characters."""
    called: tuple[str, ...] = ()
    """Called AE titles: a gateway can have several."""
    addresses: tuple[str, ...] = ()
    """Addresses and networks, such as 10.0.0.0/24."""
    tls_subjects: tuple[str, ...] = ()
    """Subjects of the peer's certificate, as "CN=CT1,O=Example"; `*` stands for any characters."""
    accept: bool = True
    """False: what matches is rejected."""
    user_identity: bool = False
    """Reject what matches and sends no user identity; a worker of EVT_USER_ID verifies it."""
    services: tuple[str, ...] = ()
    """Services or requests that are accepted, such as storage or C-FIND."""
    sop_classes: tuple[str, ...] = ()
    """SOP classes that are accepted besides, by UID or keyword."""
    transfer_syntaxes: tuple[str, ...] = ()
    """Transfer syntaxes that are accepted, by UID or keyword."""
    roles: tuple[str, ...] = ()
    """scu, scp: the roles that the peer may have."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """The `[policy]` table: which associations are accepted."""

    require_called_ae_title: bool = False
    """Reject a peer that calls another AE title than the gateway's."""
    calling_ae_titles: tuple[str, ...] = ()
    """Calling AE titles to accept; empty: any. A filter, not authentication."""
    unrestricted: bool = False
    """Also accept unknown and private abstract syntaxes, for storage."""
    allow_plain_passwords: bool = False
    """With rules: let in who sends a passcode without TLS, which others on the way can read."""
    require: tuple[str, ...] = ()
    """Reject associations (2,3,1) while no worker is registered for these events."""
    rules: tuple[PolicyRule, ...] = ()
    """Who is let in, and for what; with at least one, whoever matches none is rejected."""

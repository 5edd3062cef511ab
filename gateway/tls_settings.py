"""The settings of `[tls]`, and of TLS to a destination."""

from __future__ import annotations

from dataclasses import dataclass

PROFILES = (
    "bcp195-rfc8996",
    "bcp195-rfc8996-modified",
    "bcp195",
    "bcp195-non-downgrading",
    "bcp195-extended",
)
"""The secure transport connection profiles of PS3.15 B.12, B.13, and the retired B.9 to B.11."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The `[tls]` table: certificates of the listening socket, as PEM files (PS3.15 B)."""

    certificate: str = ""
    """The certificate with its chain; empty: no TLS."""
    key: str = ""
    """The key of the certificate; empty: it is in the same file."""
    ca: str = ""
    """The authority that signs the peers' certificates; empty: peers need none."""
    require_client_certificate: bool = True
    """With `ca`; false: accept peers without a certificate too. An invalid one is never accepted.
    """
    profile: str = PROFILES[0]
    """Profile of PS3.15 B: bcp195-rfc8996 (B.12), bcp195-rfc8996-modified (B.13), or one of the
    retired: bcp195 (B.9), bcp195-non-downgrading (B.10), bcp195-extended (B.11). None goes below
    TLS 1.2."""

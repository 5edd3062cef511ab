"""The subject of a peer's certificate, as a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}
"""The short names of attributes of a certificate's subject (RFC 4514, 3)."""


def subject_of(certificate: Mapping[str, Any] | None) -> str:
    """Return the subject of a certificate in the form of `SSLSocket.getpeercert`.

    As `CN=CT1,O=Example`; empty if there is no certificate.
    """
    names = (certificate or {}).get("subject", ())
    return ",".join(f"{_SHORT.get(key, key)}={value}" for name in names for key, value in name)

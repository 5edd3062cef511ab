"""The cipher suites of each profile of PS3.15 annex B, tried one by one."""

from __future__ import annotations

import ssl
from itertools import product
from typing import TYPE_CHECKING

import pytest
import trustme

from gateway.tls import load
from gateway.tls_settings import PROFILES, TlsSettings
from tests.test_tls import offering, shake_hands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"RSA": trustme.KeyType.RSA, "ECDSA": trustme.KeyType.ECDSA}


def suites(exchanges: str, ciphers: str) -> set[str]:
    """Return OpenSSL's names of suites: each exchange with each cipher."""
    return {"-".join(pair) for pair in product(exchanges.split(), ciphers.split())}


ECDHE, GCM = "ECDHE-ECDSA ECDHE-RSA", "AES128-GCM-SHA256 AES256-GCM-SHA384"
STRONG = suites(ECDHE, GCM)
CHACHA20 = suites(ECDHE, "CHACHA20-POLY1305")
CBC = suites(ECDHE, "AES128-SHA256 AES256-SHA384")
DHE, DHE_CBC = suites("DHE-RSA", GCM), suites("DHE-RSA", "AES128-SHA256 AES256-SHA256")
RETIRED = STRONG | CHACHA20 | CBC | DHE | DHE_CBC

TAKEN = {
    "bcp195-rfc8996": STRONG | CHACHA20,
    "bcp195-rfc8996-modified": STRONG,
    "bcp195": RETIRED,
    "bcp195-non-downgrading": RETIRED,
    "bcp195-extended": STRONG | DHE,
}
"""The suites of TLS 1.2 that a server with the profile takes; it takes no other."""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    """The server's certificates by the type of their key, and that of the authority."""
    folder: Path = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    found = {"ca": str(folder / "ca.pem")}
    for name, kind in KEYS.items():
        made = authority.issue_cert("localhost", key_type=kind)
        made.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
        found[name] = str(folder / f"{name}.pem")
    return found


def known_suites() -> Iterator[str]:
    """Yield the suites up to TLS 1.2 that OpenSSL here can offer, with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    for one in context.get_ciphers():
        if not one["name"].startswith("TLS_"):
            yield one["name"]


def test_what_is_offered_here_has_weak_suites_too() -> None:
    known = set(known_suites())
    assert known >= RETIRED
    assert known >= {
        "AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "AES256-GCM-SHA384",
        "DHE-RSA-AES128-SHA",
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_each_suite_is_taken_or_refused_as_the_profile_says(
    profile: str, files: dict[str, str]
) -> None:
    servers = [load(TlsSettings(files[kind], profile=profile)) for kind in KEYS]
    taken = set()
    for suite in known_suites():
        client = offering(f"{suite}:@SECLEVEL=0", files["ca"])
        for server in servers:
            refused, failed, name = shake_hands(server, client)
            if refused is None and failed is None:
                assert name == suite
                taken.add(suite)
    assert taken == TAKEN[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_tls_1_3_is_preferred(profile: str, files: dict[str, str]) -> None:
    server = load(TlsSettings(files["RSA"], profile=profile))
    refused, failed, name = shake_hands(server, ssl.create_default_context(cafile=files["ca"]))
    assert (refused, failed) == (None, None)
    assert name.startswith("TLS_AES_")

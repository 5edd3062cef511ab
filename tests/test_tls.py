"""TLS contexts: profiles, and errors that say which file is wrong and in what."""

from __future__ import annotations

import datetime
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
import trustme

from gateway import tls
from gateway.errors import ConfigError
from gateway.settings import Destination
from gateway.tls_settings import PROFILES, TlsSettings
from gateway.tls_words import explain_handshake

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


def issue(authority: trustme.CA, folder: Path, name: str, days: int = 90) -> str:
    made = authority.issue_cert(
        "localhost",
        not_before=NOW - datetime.timedelta(100),
        not_after=NOW + datetime.timedelta(days),
    )
    made.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
    made.private_key_pem.write_to_path(folder / f"{name}-key.pem")
    made.cert_chain_pems[0].write_to_path(folder / f"{name}-cert.pem")
    return str(folder / f"{name}.pem")


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost"
) -> tuple[OSError | None, OSError | None, str]:
    """Return what either side raised, and the cipher suite."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = {
        "server": server.wrap_bio(to_server, to_client, server_side=True),
        "client": client.wrap_bio(to_client, to_server, server_hostname=name),
    }
    raised: dict[str, OSError] = {}
    for _ in range(4):
        for which in ("client", "server"):
            try:
                sides[which].do_handshake()
                sides[which].read(1)
            except ssl.SSLWantReadError:
                pass
            except OSError as error:
                raised.setdefault(which, error)
    cipher = sides["client"].cipher()
    return raised.get("server"), raised.get("client"), cipher[0] if cipher else ""


def offering(suites: str, ca: str) -> ssl.SSLContext:
    """Return a client with TLS 1.2 and these suites alone."""
    client = ssl.create_default_context(cafile=ca)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(suites)
    return client


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_takes_forward_secret_gcm_and_no_static_rsa(
    authority: trustme.CA, ca: str, tmp_path: Path, profile: str
) -> None:
    server = tls.load(TlsSettings(issue(authority, tmp_path, "own"), profile=profile))
    good = shake_hands(server, offering("ECDHE+AESGCM", ca))
    assert good[:2] == (None, None)
    assert good[2].startswith("ECDHE")
    refused, _, _ = shake_hands(server, offering("RSA+AES:@SECLEVEL=0", ca))
    assert refused is not None
    assert "no cipher suite of the profile" in explain_handshake(refused)


def test_the_present_profiles_take_no_cbc_and_the_retired_do(
    authority: trustme.CA, ca: str, tmp_path: Path
) -> None:
    own = issue(authority, tmp_path, "own")
    cbc = offering("ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256", ca)
    taken = {
        profile: shake_hands(tls.load(TlsSettings(own, profile=profile)), cbc)[0] is None
        for profile in PROFILES
    }
    assert [profile for profile, is_taken in taken.items() if is_taken] == [
        "bcp195",
        "bcp195-non-downgrading",
    ]


def test_why_a_client_is_turned_away(authority: trustme.CA, ca: str, tmp_path: Path) -> None:
    own = issue(authority, tmp_path, "own")
    server = tls.load(TlsSettings(own, ca=ca))
    expired = issue(authority, tmp_path, "expired", days=-1)
    foreign = issue(trustme.CA(), tmp_path, "foreign")
    for certificate, words in (
        (None, "shown no certificate"),
        (expired, "certificate has expired"),
        (foreign, "unable to get local issuer certificate"),
    ):
        refused, _, _ = shake_hands(server, tls.client_context(certificate, ca=ca))
        assert refused is not None
        assert words in explain_handshake(refused)
    assert shake_hands(server, tls.client_context(own, ca=ca))[0] is None


def test_why_a_server_is_not_trusted(authority: trustme.CA, ca: str, tmp_path: Path) -> None:
    server = tls.load(TlsSettings(issue(authority, tmp_path, "own")))
    told, refused, _ = shake_hands(server, tls.client_context(ca=ca), "other.example")
    assert refused is not None
    assert "Hostname mismatch" in explain_handshake(refused)
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    told, refused, _ = shake_hands(server, tls.client_context(ca=stranger))
    assert told is not None
    assert "does not know the authority of our certificate" in explain_handshake(told)


def test_old_versions_are_turned_away(authority: trustme.CA, ca: str, tmp_path: Path) -> None:
    server = tls.load(TlsSettings(issue(authority, tmp_path, "own"), profile="bcp195"))
    assert server.minimum_version is ssl.TLSVersion.TLSv1_2
    refused, _, _ = shake_hands(server, old_client())
    assert refused is not None
    assert "no version of TLS from 1.2 on" in explain_handshake(refused)


def old_client() -> ssl.SSLContext:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        client.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return client


def test_a_file_that_is_wrong_is_named(authority: trustme.CA, ca: str, tmp_path: Path) -> None:
    own, other = issue(authority, tmp_path, "own"), issue(authority, tmp_path, "other")
    certificate, key = own.replace(".pem", "-cert.pem"), other.replace(".pem", "-key.pem")
    nonsense, sealed = tmp_path / "nonsense.pem", tmp_path / "sealed.pem"
    nonsense.write_text("nonsense")
    command = ["openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:x", "-out", sealed]
    subprocess.run(command, check=True, capture_output=True)
    for files, words in (
        (("none.pem", "", ""), "certificate none.pem: No such file"),
        ((str(nonsense), "", ""), f"certificate {nonsense}: the file has none in PEM format"),
        ((certificate, "", ""), f"key {certificate}: the file has none in PEM format"),
        ((certificate, key, ""), f"key {key}: it does not belong to the certificate {certificate}"),
        ((certificate, str(sealed), ""), f"key {sealed}: it is encrypted"),
        ((own, "", str(nonsense)), f"authority's certificate {nonsense}: the file has none"),
    ):
        with pytest.raises(ConfigError) as caught:
            tls.load(TlsSettings(*files))
        assert words in str(caught.value)


def test_a_certificate_that_ends_is_warned_of(authority: trustme.CA, tmp_path: Path) -> None:
    lasting = issue(authority, tmp_path, "lasting")
    assert tls.warning_about(lasting) == ""
    assert abs(tls.end_of(lasting) - (NOW + datetime.timedelta(90)).timestamp()) < 2
    assert "expires on" in tls.warning_about(issue(authority, tmp_path, "soon", days=7))
    assert "expired on" in tls.warning_about(issue(authority, tmp_path, "over", days=-1))
    assert tls.end_of("none.pem") == 0.0


def test_a_destination_has_what_it_states_and_else_what_is_ours(
    authority: trustme.CA, ca: str, tmp_path: Path
) -> None:
    own, special = issue(authority, tmp_path, "own"), issue(authority, tmp_path, "special")
    ours = TlsSettings(own, ca=ca)
    assert tls.destination_context(Destination("a", 104), ours) is None
    server = tls.load(TlsSettings(own, ca=ca))
    for destination in (
        Destination("a", 104, tls=True),
        Destination("a", 104, tls=True, tls_ca=ca, tls_certificate=special),
    ):
        client = tls.destination_context(destination, ours)
        assert client is not None
        assert shake_hands(server, client)[:2] == (None, None)
    with pytest.raises(ConfigError, match="certificate none"):
        tls.destination_context(Destination("a", 104, tls=True, tls_certificate="none"), ours)
